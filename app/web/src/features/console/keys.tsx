/** API keys that spend from the limit, each within bounds of its own. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useKeys, useSession } from "../../entities/account.tsx";
import { useNetwork } from "../../entities/coordinator.ts";
import { type ApiKey, changeKey, createKey, type KeyLimits, revokeKey } from "../../entities/keys.ts";
import { useWallet } from "../../entities/wallet.tsx";
import { ago, count, fine, parseUsdc, time, usdc } from "../../shared/format.ts";
import { Badge, Button, Card, Copy, Dialog, Field, Notice, Skeleton, useNow } from "../../shared/ui.tsx";
import { SignIn } from "./sign-in.tsx";

export function Keys({ allowance }: { allowance: string | null }) {
  const network = useNetwork();
  if (!network.data)
    return <Notice tone="wait" icon="warn" title="Keys need the coordinator, which cannot be reached" />;
  return (
    <div className="columns">
      <NewKey allowance={allowance} />
      <KeyCards />
    </div>
  );
}

function NewKey({ allowance }: { allowance: string | null }) {
  const network = useNetwork();
  const { wallet } = useWallet();
  const queries = useQueryClient();
  const [round, setRound] = useState(0);
  const create = useMutation({
    mutationFn: async (limits: KeyLimits) => {
      if (!wallet || !network.data || !allowance) throw new Error("Connect a wallet and set a limit first.");
      return createKey(wallet, network.data, allowance, limits);
    },
    onSuccess: async () => {
      setRound(round + 1);
      await queries.invalidateQueries({ queryKey: ["account"] });
    },
  });
  return (
    <Card title="New key" about="Your wallet signs a command in plain text. It moves no money.">
      {allowance ? (
        <LimitsForm
          key={round}
          action="Create a key"
          busy={create.isPending}
          onLimits={(limits) => create.mutate(limits)}
        />
      ) : (
        <Notice title="Set a limit first">A key spends from the limit you give this coordinator.</Notice>
      )}
      {create.data && (
        <div className="new-key">
          <p>
            <strong>Keep it now:</strong> it is not shown again.
          </p>
          <p className="secret">
            <code>{create.data.key}</code> <Copy text={create.data.key} label="the key" />
          </p>
        </div>
      )}
      {create.error && (
        <Notice tone="bad" icon="warn" title="Not done">
          {create.error.message}
        </Notice>
      )}
    </Card>
  );
}

/** A date field's value from a time, and the end of that day from the value. */
const dateOf = (millis: number | null | undefined): string => {
  if (!millis) return "";
  const date = new Date(millis);
  const two = (number: number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};
const endOf = (date: string): number | null => (date ? new Date(`${date}T23:59:59`).getTime() : null);

function wholeNumber(text: string): number | null | "wrong" {
  if (text.trim() === "") return null;
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= 4_294_967_295 ? value : "wrong";
}

/** Label and bounds of one key. */
function LimitsForm({
  known,
  action,
  busy,
  onLimits,
}: {
  known?: ApiKey;
  action: string;
  busy: boolean;
  onLimits: (limits: KeyLimits) => void;
}) {
  const network = useNetwork();
  const offered = network.data?.models.map((model) => model.id) ?? [];
  const names = [...new Set([...offered, ...(known?.models ?? [])])];
  const [label, setLabel] = useState(known?.label ?? "");
  const [budget, setBudget] = useState(
    known?.budget === null || known?.budget === undefined ? "" : usdc(known.budget).replaceAll(",", ""),
  );
  const [expires, setExpires] = useState(dateOf(known?.expires));
  const [models, setModels] = useState<readonly string[] | null>(known?.models ?? null);
  const [requests, setRequests] = useState(String(known?.requests_per_minute ?? ""));
  const [tokens, setTokens] = useState(String(known?.tokens_per_minute ?? ""));
  const amount = budget.trim() === "" ? null : (parseUsdc(budget) ?? "wrong");
  const perMinute = { requests: wholeNumber(requests), tokens: wholeNumber(tokens) };
  const ends = endOf(expires);
  const ended = ends !== null && ends <= Date.now();
  const none = models !== null && models.length === 0;
  const wrong =
    amount === "wrong" || perMinute.requests === "wrong" || perMinute.tokens === "wrong" || ended || none;
  const submit = () => {
    if (amount === "wrong" || perMinute.requests === "wrong" || perMinute.tokens === "wrong") return;
    onLimits({
      label: label.trim() || "key",
      budget: amount,
      expires: ends,
      models,
      requestsPerMinute: perMinute.requests,
      tokensPerMinute: perMinute.tokens,
    });
  };
  return (
    <form
      className="stack tight"
      onSubmit={(event) => {
        event.preventDefault();
        if (!wrong) submit();
      }}
    >
      <Field
        label="Label"
        value={label}
        maxLength={64}
        onChange={(event) => setLabel(event.target.value)}
        placeholder="laptop"
        help="To tell your keys apart"
      />
      <div className="field-pair">
        <Field
          label="Budget"
          inputMode="decimal"
          value={budget}
          onChange={(event) => setBudget(event.target.value)}
          placeholder="none"
          suffix="USDC"
          error={amount === "wrong" ? "An amount in USDC, or nothing" : null}
          help="The most it may ever spend"
        />
        <Field
          label="Ends"
          type="date"
          value={expires}
          onChange={(event) => setExpires(event.target.value)}
          error={ended ? "A day to come, or none" : null}
          help="At the end of that day"
        />
      </div>
      <details className="more" open={Boolean(known)}>
        <summary>Models and rates</summary>
        <div className="stack tight">
          <fieldset className="choice">
            <legend>Models</legend>
            <label>
              <input
                type="checkbox"
                checked={models === null}
                onChange={(event) => setModels(event.target.checked ? null : names)}
              />
              all, also future ones
            </label>
            {models !== null &&
              names.map((name) => (
                <label key={name}>
                  <input
                    type="checkbox"
                    checked={models.includes(name)}
                    onChange={(event) =>
                      setModels(
                        event.target.checked ? [...models, name] : models.filter((other) => other !== name),
                      )
                    }
                  />
                  <span className="mono">{name}</span>
                </label>
              ))}
          </fieldset>
          <div className="field-pair">
            <Field
              label="Requests a minute"
              inputMode="numeric"
              value={requests}
              onChange={(event) => setRequests(event.target.value)}
              placeholder="none"
              error={perMinute.requests === "wrong" ? "A whole number, or nothing" : null}
            />
            <Field
              label="Tokens a minute"
              inputMode="numeric"
              value={tokens}
              onChange={(event) => setTokens(event.target.value)}
              placeholder="none"
              error={perMinute.tokens === "wrong" ? "A whole number, or nothing" : null}
            />
          </div>
        </div>
      </details>
      <div>
        <Button type="submit" tone="primary" icon="key" busy={busy} disabled={wrong}>
          {action}
        </Button>
      </div>
    </form>
  );
}

function KeyCards() {
  const { session } = useSession();
  const keys = useKeys();
  if (!session)
    return (
      <Card title="Your keys">
        <SignIn>The coordinator shows them only to the wallet that owns them.</SignIn>
      </Card>
    );
  const shown = [...(keys.data?.data ?? [])].sort(
    (a, b) => Number(a.revoked !== null) - Number(b.revoked !== null) || b.created - a.created,
  );
  return (
    <Card title="Your keys" about="What each may do, and what it did">
      {keys.error ? (
        <Notice tone="bad" icon="warn" title="Not available">
          {keys.error.message}
        </Notice>
      ) : !keys.data ? (
        <Skeleton />
      ) : shown.length === 0 ? (
        <Notice icon="key" title="No keys yet" />
      ) : (
        <ul className="rows">
          {shown.map((key) => (
            <KeyRow key={key.id} known={key} />
          ))}
        </ul>
      )}
    </Card>
  );
}

/** Bounds of a key in words; nothing for a key without any. */
export function boundsOf(key: ApiKey, now: number): string[] {
  return [
    ...(typeof key.expires === "number"
      ? [key.expires <= now ? `ended ${time(key.expires)}` : `until ${time(key.expires)}`]
      : []),
    ...(key.models ? [key.models.join(", ")] : []),
    ...(key.requests_per_minute ? [`${count(key.requests_per_minute)} requests a minute`] : []),
    ...(key.tokens_per_minute ? [`${count(key.tokens_per_minute)} tokens a minute`] : []),
  ];
}

function KeyRow({ known }: { known: ApiKey }) {
  const now = useNow(5_000);
  const network = useNetwork();
  const { wallet } = useWallet();
  const queries = useQueryClient();
  const [editing, setEditing] = useState(false);
  const refresh = () => queries.invalidateQueries({ queryKey: ["account"] });
  const revoke = useMutation({
    mutationFn: async () => {
      if (!wallet || !network.data) throw new Error("Connect a wallet first.");
      return revokeKey(wallet, network.data, known.id);
    },
    onSuccess: refresh,
  });
  const change = useMutation({
    mutationFn: async (limits: KeyLimits) => {
      if (!wallet || !network.data) throw new Error("Connect a wallet first.");
      return changeKey(wallet, network.data, known.id, limits);
    },
    onSuccess: async () => {
      setEditing(false);
      await refresh();
    },
  });
  const spent = known.spent ?? 0n;
  const share =
    known.budget && known.budget > 0n ? Math.min(1, Number(spent) / (Number(known.budget) * 1e6)) : null;
  const requests = known.requests ?? 0;
  return (
    <li className="row key-row">
      <div className="row-main">
        <span>
          <strong>{known.label}</strong> {known.revoked !== null && <Badge>revoked</Badge>}
          {typeof known.expires === "number" && known.expires <= now && known.revoked === null && (
            <Badge tone="bad">ended</Badge>
          )}
        </span>
        <span className="quiet">
          {fine(spent)}
          {known.budget !== null && known.budget !== undefined && ` of ${usdc(known.budget)}`} USDC ·{" "}
          {count(requests)} {requests === 1 ? "request" : "requests"} ·{" "}
          {known.last_used ? `used ${ago(known.last_used, now)}` : "never used"}
        </span>
        {share !== null && (
          <span className="progress thin" aria-hidden>
            <span style={{ width: `${share * 100}%` }} />
          </span>
        )}
        {boundsOf(known, now).map((bound) => (
          <span className="quiet" key={bound}>
            {bound}
          </span>
        ))}
        {revoke.error && (
          <span className="field-about wrong" role="alert">
            {revoke.error.message}
          </span>
        )}
      </div>
      {known.revoked === null && (
        <div className="button-row end">
          <Button icon="edit" aria-label={`Change ${known.label}`} onClick={() => setEditing(true)}>
            Change
          </Button>
          <Button
            tone="danger"
            aria-label={`Revoke ${known.label}`}
            onClick={() => revoke.mutate()}
            busy={revoke.isPending}
          >
            Revoke
          </Button>
        </div>
      )}
      <Dialog
        open={editing}
        onOpenChange={setEditing}
        title={`Change “${known.label}”`}
        about="Your wallet signs the new bounds. They hold from the next request."
      >
        <LimitsForm
          known={known}
          action="Change the key"
          busy={change.isPending}
          onLimits={(limits) => change.mutate(limits)}
        />
        {change.error && (
          <Notice tone="bad" icon="warn" title="Not changed">
            {change.error.message}
          </Notice>
        )}
      </Dialog>
    </li>
  );
}
