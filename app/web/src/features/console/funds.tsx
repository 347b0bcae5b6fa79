/** Deposit, limit, withdraw, exit. */
import type { Allowance, Escrow } from "@pinaivu/program";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Located, tokenAccountBalance } from "../../entities/chain.ts";
import { useNetwork } from "../../entities/coordinator.ts";
import { duration, parseUsdc, time, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import {
  Badge,
  Button,
  Card,
  Copy,
  Fact,
  Facts,
  Field,
  Figure,
  Notice,
  Skeleton,
  useNow,
} from "../../shared/ui.tsx";
import type { Setting } from "./plans.ts";
import * as plans from "./plans.ts";
import { usePosition } from "./position.ts";
import { useSend } from "./send.tsx";

export const remains = (allowance: Allowance): bigint =>
  allowance.reserved - allowance.released - allowance.debited;

interface Props {
  readonly setting: Setting;
  readonly escrow: Located<Escrow> | null;
  readonly allowance: Located<Allowance> | null;
  readonly held: bigint | null;
}

export function Funds({ setting, escrow, allowance, held }: Props) {
  const network = useNetwork();
  return (
    <div className="stack">
      <dl className="figures">
        <Figure
          name="In your wallet"
          value={held === null ? "–" : usdc(held)}
          unit="USDC"
          note="yours alone"
        />
        <Figure name="Free in escrow" value={usdc(escrow?.free ?? 0n)} unit="USDC" note="leaves at once" />
        <Figure
          name="Limit left"
          value={usdc(allowance ? remains(allowance) : 0n)}
          unit="USDC"
          note="what the coordinator may still debit"
        />
        <Figure
          name="Spent"
          value={usdc(allowance?.debited ?? 0n)}
          unit="USDC"
          note="debited on chain so far"
        />
      </dl>
      <div className="columns">
        <Deposit setting={setting} escrow={escrow} held={held} faucet={network.data?.faucet ?? null} />
        <DepositAddress setting={setting} escrow={escrow} />
        <Limit setting={setting} escrow={escrow} allowance={allowance} />
        <Withdraw setting={setting} escrow={escrow} />
        <Exit setting={setting} allowance={allowance} />
      </div>
    </div>
  );
}

/** An amount field whose value is checked against what there is. */
function useAmount(most: bigint | null) {
  const [text, setText] = useState("");
  const amount = parseUsdc(text);
  const problem =
    text.trim() === ""
      ? null
      : amount === null
        ? "An amount in USDC, with at most six decimals"
        : amount === 0n
          ? "More than nothing"
          : most !== null && amount > most
            ? `At most ${usdc(most)} USDC`
            : null;
  return { text, setText, amount: problem ? null : amount, problem };
}

function Amount({
  label,
  most,
  field,
}: {
  label: string;
  most: bigint | null;
  field: ReturnType<typeof useAmount>;
}) {
  return (
    <Field
      label={label}
      inputMode="decimal"
      placeholder="0.00"
      value={field.text}
      onChange={(event) => field.setText(event.target.value)}
      error={field.problem}
      help={most === null ? "" : `${usdc(most)} USDC available`}
      suffix={
        <>
          USDC
          {most !== null && most > 0n && (
            <button
              type="button"
              className="link-button"
              onClick={() => field.setText(usdc(most).replaceAll(",", ""))}
            >
              all
            </button>
          )}
        </>
      }
    />
  );
}

function Deposit({
  setting,
  escrow,
  held,
  faucet,
}: Pick<Props, "setting" | "escrow" | "held"> & { faucet: string | null }) {
  const send = useSend();
  const field = useAmount(held);
  const { amount } = field;
  return (
    <Card title="Deposit" about="From your wallet to your own escrow">
      {setting.market.paused && (
        <Notice tone="wait" title="Deposits are paused">
          Withdrawing and exiting always work.
        </Notice>
      )}
      <form
        className="stack tight"
        onSubmit={(event) => {
          event.preventDefault();
          if (amount) send(() => plans.deposit(setting, escrow, amount));
        }}
      >
        <Amount label="Amount" most={held} field={field} />
        <div className="button-row">
          <Button type="submit" tone="primary" disabled={!amount}>
            Deposit
          </Button>
          {faucet && <Faucet url={faucet} owner={setting.owner} />}
        </div>
      </form>
    </Card>
  );
}

/** For exchanges, and for people who pay for somebody: a plain transfer is enough. */
function DepositAddress({ setting, escrow }: Pick<Props, "setting" | "escrow">) {
  const send = useSend();
  const account = useQuery({
    queryKey: ["chain", "deposit-address", setting.chain.url, setting.market.mint, escrow?.address],
    queryFn: async () => {
      if (!escrow) return null;
      const address = await plans.depositAddress(setting, escrow.address);
      return { address, arrived: await tokenAccountBalance(setting.chain, address) };
    },
    refetchInterval: 3_000,
  });
  const found = account.data;
  const arrived = found?.arrived ?? null;
  return (
    <Card title="Deposit address" about="Send USDC to it from anywhere, an exchange for example">
      {account.isPending ? (
        <Skeleton />
      ) : !found || arrived === null ? (
        <Notice
          title="Not opened yet"
          action={
            <Button onClick={() => send(() => plans.openDepositAddress(setting, escrow))}>
              Open a deposit address
            </Button>
          }
        >
          It is a token account of your escrow: what arrives can go nowhere else.
        </Notice>
      ) : (
        <>
          <p className="address">
            <code>{found.address}</code> <Copy text={found.address} label="the deposit address" />
          </p>
          <p className="fine-print">
            Only USDC of the mint <Id id={setting.market.mint} copy />. If the sender asks for the owner of
            the account, it is {escrow && <Id id={escrow.address} copy />}.
          </p>
          {arrived > 0n ? (
            <Notice
              tone="good"
              icon="check"
              title={`${usdc(arrived)} USDC arrived`}
              action={
                <Button
                  tone="primary"
                  onClick={() => escrow && send(() => plans.sweep(setting, escrow, arrived))}
                >
                  Credit it to the escrow
                </Button>
              }
            />
          ) : (
            <p className="quiet" role="status">
              Nothing has arrived that is not credited.
            </p>
          )}
        </>
      )}
    </Card>
  );
}

function Faucet({ url, owner }: { url: string; owner: string }) {
  const [state, setState] = useState<"idle" | "busy" | "failed">("idle");
  const ask = async () => {
    setState("busy");
    const answered = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ address: owner }),
    }).then(
      (response) => response.ok,
      () => false,
    );
    setState(answered ? "idle" : "failed");
  };
  return (
    <Button tone="quiet" busy={state === "busy"} onClick={() => void ask()}>
      {state === "failed" ? "The faucet did not answer" : "Get test USDC"}
    </Button>
  );
}

const MONTH = 30n * 24n * 3600n;

function Limit({ setting, escrow, allowance }: Pick<Props, "setting" | "escrow" | "allowance">) {
  const send = useSend();
  const now = useNow();
  const field = useAmount(escrow?.free ?? 0n);
  const { amount } = field;
  const expired = allowance && allowance.expiryTime * 1000n <= BigInt(now);
  return (
    <Card title="Limit" about="The most this coordinator may ever debit">
      {allowance && (
        <Facts>
          <Fact name="Left">
            {usdc(remains(allowance))} of {usdc(allowance.reserved - allowance.released)} USDC
          </Fact>
          <Fact name="Until">
            {time(Number(allowance.expiryTime) * 1000)} {expired && <Badge tone="bad">expired</Badge>}
          </Fact>
        </Facts>
      )}
      {escrow ? (
        <form
          className="stack tight"
          onSubmit={(event) => {
            event.preventDefault();
            if (amount)
              send(() =>
                plans.raise(setting, escrow, allowance, amount, BigInt(Math.floor(now / 1000)) + MONTH),
              );
          }}
        >
          <Amount label={allowance ? "Raise by" : "Set aside"} most={escrow.free} field={field} />
          <div>
            <Button type="submit" tone="primary" disabled={!amount}>
              {allowance ? "Raise the limit" : "Set the limit"}
            </Button>
          </div>
        </form>
      ) : (
        <Notice title="Deposit first">The limit is set aside from your escrow's free balance.</Notice>
      )}
    </Card>
  );
}

function Withdraw({ setting, escrow }: Pick<Props, "setting" | "escrow">) {
  const send = useSend();
  const field = useAmount(escrow?.free ?? 0n);
  const { amount } = field;
  return (
    <Card title="Withdraw" about="Free money leaves at once">
      {escrow && escrow.free > 0n ? (
        <form
          className="stack tight"
          onSubmit={(event) => {
            event.preventDefault();
            if (amount) send(() => plans.withdraw(setting, escrow, amount));
          }}
        >
          <Amount label="Amount" most={escrow.free} field={field} />
          <div>
            <Button type="submit" disabled={!amount}>
              Withdraw
            </Button>
          </div>
        </form>
      ) : (
        <Notice title="Nothing is free in your escrow">
          {escrow ? "What is under a limit has to be asked back first." : "Deposit first."}
        </Notice>
      )}
    </Card>
  );
}

/** Slot and time of the chain, both of which the delay counts in. */
function Exit({ setting, allowance }: Pick<Props, "setting" | "allowance">) {
  const send = useSend();
  const now = useNow();
  const pending = allowance && allowance.pendingRelease.amount > 0n ? allowance.pendingRelease : null;
  const slot = usePosition(setting, pending !== null);
  const left = allowance ? remains(allowance) : 0n;
  const field = useAmount(left);
  const { amount } = field;
  const { exitDelaySeconds, exitDelaySlots } = setting.market;
  const about = `Money under a limit leaves ${duration(Number(exitDelaySeconds))} after you ask, whatever the coordinator does`;
  if (!allowance || (left === 0n && !pending)) {
    return (
      <Card title="Exit" about={about}>
        <Notice title="Nothing is under a limit" />
      </Card>
    );
  }
  if (!pending) {
    return (
      <Card title="Exit" about={about}>
        <form
          className="stack tight"
          onSubmit={(event) => {
            event.preventDefault();
            if (amount) send(() => plans.release(setting, allowance, amount));
          }}
        >
          <Amount label="Ask back" most={left} field={field} />
          <div>
            <Button type="submit" disabled={!amount}>
              Ask for it back
            </Button>
          </div>
        </form>
      </Card>
    );
  }
  const seconds = Number(pending.requestedTime + exitDelaySeconds) - now / 1000;
  const slots = slot.data === undefined ? null : pending.requestedSlot + exitDelaySlots - slot.data;
  const total = Math.max(1, Number(exitDelaySeconds));
  const ready = seconds <= 0 && (slots === null || slots <= 0n);
  const done = Math.min(1, Math.max(0, 1 - seconds / total));
  return (
    <Card
      title="Exit"
      about={about}
      action={<Badge tone={ready ? "good" : "wait"}>{ready ? "ready" : "waiting"}</Badge>}
    >
      <p className="countdown" role="timer">
        {ready ? (
          <>
            <strong>{usdc(pending.amount)} USDC</strong> can leave now
          </>
        ) : (
          <>
            <strong>{usdc(pending.amount)} USDC</strong> in{" "}
            {seconds > 0 ? duration(seconds) : `${slots} slots`}
          </>
        )}
      </p>
      <div className="progress" aria-hidden>
        <span style={{ width: `${(ready ? 1 : done) * 100}%` }} />
      </div>
      <div className="button-row">
        <Button tone="primary" disabled={!ready} onClick={() => send(() => plans.exit(setting, allowance))}>
          Take it out
        </Button>
      </div>
    </Card>
  );
}
