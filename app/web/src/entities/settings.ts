/** What the person chose: where the chain is read, and the theme. Kept in this browser only. */
import { useSyncExternalStore } from "react";
import { useNetwork } from "./coordinator.ts";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

export function setSetting(name: "rpc" | "theme", value: string | null): void {
  if (value === null) localStorage.removeItem(`pinaivu.${name}`);
  else localStorage.setItem(`pinaivu.${name}`, value);
  for (const listener of listeners) listener();
}

export const useSetting = (name: "rpc" | "theme"): string | null =>
  useSyncExternalStore(subscribe, () => localStorage.getItem(`pinaivu.${name}`));

/** Where the chain is read: the person's own choice, else what the coordinator recommends. */
export function useRpcUrl(): { url: string; own: boolean } | null {
  const own = useSetting("rpc");
  const network = useNetwork();
  if (own) return { url: own, own: true };
  const recommended = network.data?.rpc?.url;
  return recommended ? { url: recommended, own: false } : null;
}

/** An address that a browser can call; `null` when it is none. */
export function parseRpcUrl(text: string): string | null {
  try {
    const url = new URL(text.trim());
    return url.protocol === "https:" || url.protocol === "http:" ? url.href.replace(/\/$/, "") : null;
  } catch {
    return null;
  }
}
