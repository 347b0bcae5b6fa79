/** One box for everything that has a page: requests, nodes, wallets, transactions. */

import { ESCROW_DISCRIMINATOR, NODE_DISCRIMINATOR } from "@pinaivu/program";
import { address, getBase64Encoder } from "@solana/kit";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { type Chain, looksLikeAddress, looksLikeSignature, useChain } from "../../entities/chain.ts";
import { Icon } from "../../shared/icons.tsx";

export type Found =
  | { to: "/receipts/$id" | "/nodes/$id" | "/wallets/$id" | "/transactions/$id"; id: string }
  | { to: "/coordinator" };

/** What kind of thing a text names, as far as the text itself says. */
export function classify(text: string): "request" | "transaction" | "address" | null {
  const query = text.trim();
  if (/^(req_)?[0-9a-fA-F]{32}$/.test(query)) return "request";
  if (looksLikeSignature(query)) return "transaction";
  return looksLikeAddress(query) ? "address" : null;
}

/** Which page an address belongs to, by what the chain has there. */
async function locate(chain: Chain | null, at: string): Promise<Found> {
  if (chain && at === chain.place.coordinator) return { to: "/coordinator" };
  if (chain) {
    const { value } = await chain.rpc.getAccountInfo(address(at), { encoding: "base64" }).send();
    if (value?.owner === chain.place.program) {
      const data = getBase64Encoder().encode(value.data[0]);
      const is = (discriminator: ArrayLike<number>) =>
        Array.from(discriminator).every((byte, index) => data[index] === byte);
      if (is(NODE_DISCRIMINATOR)) return { to: "/nodes/$id", id: at };
      if (is(ESCROW_DISCRIMINATOR)) {
        const { getAddressDecoder } = await import("@solana/kit");
        return { to: "/wallets/$id", id: getAddressDecoder().decode(data.slice(42, 74)) };
      }
    }
  }
  return { to: "/wallets/$id", id: at };
}

export function SearchBox({ large = false }: { large?: boolean }) {
  const chain = useChain();
  const navigate = useNavigate();
  const box = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const typing =
        event.target instanceof HTMLElement && event.target.closest("input, textarea, [contenteditable]");
      if (event.key === "/" && !typing) {
        event.preventDefault();
        box.current?.focus();
      }
    };
    window.addEventListener("keydown", focus);
    return () => window.removeEventListener("keydown", focus);
  }, []);
  const search = async (event: FormEvent) => {
    event.preventDefault();
    const query = text.trim();
    const kind = classify(query);
    if (!kind)
      return setProblem(
        query === ""
          ? null
          : "Not an id this network uses: a request is req_ and 32 digits; addresses and signatures are base58.",
      );
    setProblem(null);
    setText("");
    box.current?.blur();
    if (kind === "request") {
      const id = query.toLowerCase();
      return navigate({ to: "/receipts/$id", params: { id: id.startsWith("req_") ? id : `req_${id}` } });
    }
    if (kind === "transaction") return navigate({ to: "/transactions/$id", params: { id: query } });
    const found = await locate(chain, query).catch((): Found => ({ to: "/wallets/$id", id: query }));
    return found.to === "/coordinator"
      ? navigate({ to: found.to })
      : navigate({ to: found.to, params: { id: found.id } });
  };
  return (
    <search className={large ? "search large" : "search"}>
      <form onSubmit={(event) => void search(event)}>
        <Icon name="search" />
        <input
          ref={box}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setProblem(null);
          }}
          placeholder={large ? "Request id, node, wallet or transaction" : "Search"}
          aria-label="Search by request id, node, wallet or transaction"
          aria-invalid={Boolean(problem)}
          aria-describedby={problem ? "search-problem" : undefined}
          spellCheck={false}
          autoComplete="off"
          enterKeyHint="search"
        />
        {large && <kbd aria-hidden>/</kbd>}
      </form>
      {problem && (
        <p id="search-problem" className="search-problem" role="alert">
          {problem}
        </p>
      )}
    </search>
  );
}
