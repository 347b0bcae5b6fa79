/** What pays for questions, and what is remembered. */
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { listAllowancesOf, useChain } from "../../entities/chain.ts";
import { useNetwork } from "../../entities/coordinator.ts";
import { createKey, looksLikeKey, unlimited } from "../../entities/keys.ts";
import { useWallet } from "../../entities/wallet.tsx";
import { Button, Field, IconButton, Notice } from "../../shared/ui.tsx";
import { ConnectButton } from "../console/connect.tsx";
import type { ChatState } from "./use-chat.ts";

export function KeyForm({ current, onKey }: { current: string; onKey: (key: string) => void }) {
  const network = useNetwork();
  const chain = useChain();
  const { wallet } = useWallet();
  const [text, setText] = useState(current);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const fromWallet = async () => {
    if (!wallet || !chain || !network.data) return;
    setBusy(true);
    setProblem(null);
    try {
      const allowances = await listAllowancesOf(chain, wallet.address);
      const now = BigInt(Math.floor(Date.now() / 1000));
      const allowance = allowances.find(
        (found) => found.coordinator === chain.place.coordinator && found.expiryTime > now,
      );
      if (!allowance)
        return setProblem("This wallet has set no limit for the coordinator yet: do that in the console.");
      onKey((await createKey(wallet, network.data, allowance.address, unlimited("chat"))).key);
    } catch (error) {
      setProblem(error instanceof Error && error.message ? error.message : "No key was made.");
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <form
        className="stack tight"
        onSubmit={(event) => {
          event.preventDefault();
          const key = text.trim();
          if (key && !looksLikeKey(key))
            return setProblem("A key begins with sk-pnv- and has 55 characters.");
          onKey(key);
        }}
      >
        <Field
          label="API key"
          type="password"
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="sk-pnv-…"
          error={problem}
          help="Kept for this tab only"
        />
        <div className="button-row">
          <Button type="submit" tone="primary">
            {text.trim() || !current ? "Use this key" : "Remove the key"}
          </Button>
        </div>
      </form>
      {wallet ? (
        <Notice
          icon="wallet"
          title="Or make one with your wallet"
          action={
            <Button icon="key" busy={busy} onClick={() => void fromWallet()}>
              Make a key for this chat
            </Button>
          }
        >
          Your wallet signs a command; no money moves.
        </Notice>
      ) : (
        <Notice icon="wallet" title="Or connect a wallet" action={<ConnectButton tone="plain" />}>
          It can make a key for you. Money and limits are in the <Link to="/console">console</Link>.
        </Notice>
      )}
    </div>
  );
}

export function MemoryForm({
  chat,
  on,
  onToggle,
  learns,
  onLearns,
}: {
  chat: ChatState;
  on: boolean;
  onToggle: (on: boolean) => void;
  learns: boolean;
  onLearns: (on: boolean) => void;
}) {
  const [text, setText] = useState("");
  return (
    <div className="stack">
      <label className="switch">
        <input type="checkbox" checked={on} onChange={(event) => onToggle(event.target.checked)} /> Use memory
        in answers
      </label>
      <label className="switch">
        <input
          type="checkbox"
          checked={on && learns}
          disabled={!on || !chat.kept}
          onChange={(event) => onLearns(event.target.checked)}
        />{" "}
        <span>
          Keep what I say of myself{" "}
          <span className="quiet">
            {chat.kept
              ? "asks the model once more after such a message, and costs that much"
              : "once your history is unlocked"}
          </span>
        </span>
      </label>
      <form
        className="stack tight"
        onSubmit={(event) => {
          event.preventDefault();
          chat.remember(text);
          setText("");
        }}
      >
        <Field
          label="Something to remember"
          value={text}
          maxLength={400}
          onChange={(event) => setText(event.target.value)}
          placeholder="I write Rust and prefer short answers"
          help={chat.kept ? "Kept encrypted, on your devices alone" : "Kept only while this page is open"}
        />
        <div>
          <Button type="submit" disabled={!text.trim()}>
            Remember
          </Button>
        </div>
      </form>
      <Suggestions chat={chat} />
      {chat.memories.length === 0 ? (
        <Notice icon="memory" title="Nothing is remembered" />
      ) : (
        <ul className="memories">
          {chat.memories.map((memory) => (
            <li key={memory.id}>
              <input
                key={memory.changed}
                aria-label="A memory"
                defaultValue={memory.text}
                onBlur={(event) =>
                  event.target.value.trim() &&
                  event.target.value.trim() !== memory.text &&
                  chat.rewrite(memory.id, event.target.value)
                }
              />
              <IconButton
                icon="trash"
                label={`Forget: ${memory.text}`}
                onClick={() => chat.forget(memory.id)}
              />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Suggestions({ chat }: { chat: ChatState }) {
  const [found, setFound] = useState<string[] | null>(null);
  const [state, setState] = useState<"idle" | "busy" | "failed">("idle");
  if (!chat.open) return null;
  const look = async () => {
    setState("busy");
    try {
      setFound(await chat.suggest());
      setState("idle");
    } catch {
      setState("failed");
    }
  };
  return (
    <div className="stack tight">
      <div className="button-row">
        <Button icon="search" busy={state === "busy"} onClick={() => void look()}>
          Find facts in this conversation
        </Button>
        <span className="quiet">asks the model, and costs a question</span>
      </div>
      {state === "failed" && <Notice tone="bad" icon="warn" title="The model did not answer" />}
      {found?.length === 0 && <p className="quiet">It found none.</p>}
      {found && found.length > 0 && (
        <ul className="rows">
          {found.map((fact) => (
            <li className="row" key={fact}>
              <span>{fact}</span>
              <Button
                onClick={() => {
                  chat.remember(fact);
                  setFound(found.filter((other) => other !== fact));
                }}
              >
                Keep
              </Button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
