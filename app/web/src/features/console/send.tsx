/** One dialog for every transaction: what it does in words, simulated first, followed to the end. */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";
import { useChain } from "../../entities/chain.ts";
import {
  type Plan,
  type Simulated,
  signAndSend,
  simulate,
  TransactionFailure,
} from "../../entities/transactions.ts";
import { useWallet } from "../../entities/wallet.tsx";
import { count } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Button, Dialog, Notice } from "../../shared/ui.tsx";

type State =
  | { readonly step: "planning" | "simulating" }
  | { readonly step: "ready"; readonly simulated: Simulated }
  | { readonly step: "signing" | "sending" | "confirming"; readonly signature: string | null }
  | { readonly step: "done"; readonly signature: string }
  | { readonly step: "failed"; readonly failure: TransactionFailure };

type Make = () => Promise<Plan>;
const Context = createContext<((make: Make) => void) | null>(null);

/** Opens the dialog with what `make` plans. */
export function useSend(): (make: Make) => void {
  const send = useContext(Context);
  if (!send) throw new Error("there is no SendProvider above");
  return send;
}

const busyWords = {
  planning: "Preparing",
  simulating: "Trying it out on the RPC, without signing",
  signing: "Waiting for your wallet",
  sending: "Sending",
  confirming: "Waiting for the cluster to confirm",
} as const;

const asFailure = (error: unknown): TransactionFailure =>
  error instanceof TransactionFailure
    ? error
    : new TransactionFailure(
        `The RPC did not answer: ${error instanceof Error ? error.message : "unknown"}`,
        "rpc",
      );

export function SendProvider({ children }: { children: ReactNode }) {
  const chain = useChain();
  const { wallet } = useWallet();
  const queries = useQueryClient();
  const [make, setMake] = useState<Make | null>(null);
  const [plan, setPlan] = useState<Plan | null>(null);
  const [state, setState] = useState<State>({ step: "planning" });
  const run = useRef(0);

  const prepare = useCallback(
    async (planned: Make) => {
      if (!chain || !wallet) return;
      run.current += 1;
      const mine = run.current;
      const show = (next: State) => mine === run.current && setState(next);
      show({ step: "planning" });
      try {
        const made = await planned();
        if (mine !== run.current) return;
        setPlan(made);
        show({ step: "simulating" });
        show({ step: "ready", simulated: await simulate(chain, wallet.address, made) });
      } catch (error) {
        show({ step: "failed", failure: asFailure(error) });
      }
    },
    [chain, wallet],
  );

  const open = useCallback(
    (planned: Make) => {
      setPlan(null);
      setMake(() => planned);
      void prepare(planned);
    },
    [prepare],
  );

  const send = async (simulated: Simulated) => {
    if (!chain || !wallet) return;
    try {
      const signature = await signAndSend(chain, wallet, simulated, (step, found) =>
        setState({ step, signature: found }),
      );
      setState({ step: "done", signature });
      await queries.invalidateQueries({ queryKey: ["chain"] });
    } catch (error) {
      setState({ step: "failed", failure: asFailure(error) });
    }
  };

  const close = () => {
    run.current += 1;
    setMake(null);
  };
  const busy = state.step === "signing" || state.step === "sending" || state.step === "confirming";
  return (
    <Context.Provider value={open}>
      {children}
      <Dialog
        open={make !== null}
        onOpenChange={(next) => !next && !busy && close()}
        title={plan?.title ?? "Transaction"}
      >
        {plan && (
          <ol className="plan">
            {plan.words.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ol>
        )}
        <Status state={state} wallet={wallet?.name ?? "wallet"} />
        <div className="button-row end">
          {state.step === "done" ? (
            <Button tone="primary" onClick={close}>
              Done
            </Button>
          ) : (
            <>
              <Button tone="quiet" onClick={close} disabled={busy}>
                Cancel
              </Button>
              {state.step === "failed" ? (
                <Button icon="retry" onClick={() => make && void prepare(make)}>
                  Try again
                </Button>
              ) : (
                <Button
                  tone="primary"
                  busy={state.step !== "ready"}
                  onClick={() => state.step === "ready" && void send(state.simulated)}
                >
                  Sign with {wallet?.name ?? "wallet"}
                </Button>
              )}
            </>
          )}
        </div>
      </Dialog>
    </Context.Provider>
  );
}

function Status({ state, wallet }: { state: State; wallet: string }) {
  const focus = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (state.step === "failed" || state.step === "done") focus.current?.focus();
  }, [state.step]);
  if (state.step === "ready") {
    const { fee, units } = state.simulated;
    return (
      <Notice tone="good" icon="check" title="The simulation succeeded">
        {fee !== null && `Network fee ${count(fee)} lamports. `}
        {units !== null && `${count(units)} compute units.`}
      </Notice>
    );
  }
  if (state.step === "failed") {
    const titles = {
      simulation: "It would fail, so it was not sent",
      refused: "Not signed",
      failed: "It failed",
      expired: "It expired",
      rpc: "The RPC did not do it",
    };
    return (
      <div ref={focus} tabIndex={-1}>
        <Notice tone="bad" icon="warn" title={titles[state.failure.kind]}>
          {state.failure.message}
          {state.failure.signature && (
            <>
              {" "}
              <Id to="/transactions/$id" id={state.failure.signature} copy />
            </>
          )}
        </Notice>
      </div>
    );
  }
  if (state.step === "done") {
    return (
      <div ref={focus} tabIndex={-1}>
        <Notice tone="good" icon="check" title="Confirmed by the cluster">
          <Id to="/transactions/$id" id={state.signature} copy />
        </Notice>
      </div>
    );
  }
  return (
    <p className="running" role="status">
      <span className="spinner" aria-hidden />{" "}
      {state.step === "signing" ? `Waiting for ${wallet}` : busyWords[state.step]}…
      {"signature" in state && state.signature && <Id id={state.signature} />}
    </p>
  );
}
