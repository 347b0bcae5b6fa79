/** Where the chain is read, and how the page looks. */
import { useState } from "react";
import { useNetwork } from "../../entities/coordinator.ts";
import { parseRpcUrl, setSetting, useRpcUrl, useSetting } from "../../entities/settings.ts";
import { Button, Dialog, Field, Notice } from "../../shared/ui.tsx";

export function SettingsDialog({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Settings">
      <RpcForm onDone={() => onOpenChange(false)} />
      <ThemeChoice />
    </Dialog>
  );
}

/** Asks the endpoint for its genesis hash before it is taken: another cluster would show nothing true. */
export function RpcForm({ onDone }: { onDone?: () => void }) {
  const current = useRpcUrl();
  const network = useNetwork();
  const [text, setText] = useState(current?.url ?? "");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const save = async () => {
    const url = parseRpcUrl(text);
    if (!url) return setProblem("An address that begins with https:// or http://");
    setBusy(true);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "getGenesisHash" }),
      });
      const { result } = (await response.json()) as { result?: unknown };
      if (network.data && result !== network.data.cluster) {
        return setProblem("That RPC is on another cluster than this network.");
      }
      setProblem(null);
      setSetting("rpc", url);
      onDone?.();
    } catch {
      setProblem("It does not answer as a Solana RPC, or does not let pages call it.");
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="stack tight"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Field
        label="Solana RPC"
        value={text}
        onChange={(event) => setText(event.target.value)}
        placeholder="https://…"
        inputMode="url"
        error={problem}
        help="Accounts, keys and roots are read from here. One that you trust makes verification independent of the coordinator."
      />
      <div className="button-row">
        <Button type="submit" tone="primary" busy={busy}>
          Use this RPC
        </Button>
        {current?.own && network.data?.rpc && (
          <Button tone="quiet" onClick={() => setSetting("rpc", null)}>
            Use the coordinator's suggestion
          </Button>
        )}
      </div>
    </form>
  );
}

function ThemeChoice() {
  const theme = useSetting("theme") ?? "system";
  return (
    <fieldset className="choice">
      <legend>Appearance</legend>
      {(["system", "light", "dark"] as const).map((name) => (
        <label key={name}>
          <input
            type="radio"
            name="theme"
            checked={theme === name}
            onChange={() => setSetting("theme", name === "system" ? null : name)}
          />
          {name === "system" ? "As the system" : name === "light" ? "Light" : "Dark"}
        </label>
      ))}
    </fieldset>
  );
}

/** In place of what would be read from the chain. */
export function NoRpc({ what }: { what: string }) {
  const [open, setOpen] = useState(false);
  return (
    <Notice
      icon="chain"
      title="No Solana RPC is set"
      action={
        <>
          <Button icon="settings" onClick={() => setOpen(true)}>
            Choose an RPC
          </Button>
          <SettingsDialog open={open} onOpenChange={setOpen} />
        </>
      }
    >
      {what[0]?.toUpperCase()}
      {what.slice(1)} come from the chain itself, through an RPC of your choice.
    </Notice>
  );
}
