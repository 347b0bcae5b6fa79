/** A transaction: what the program did in it, and for settlements the debits, credits and root. */
import { INSTRUCTIONS } from "@pinaivu/program";
import { getBase58Encoder } from "@solana/kit";
import { useParams } from "@tanstack/react-router";
import { readTransaction, useChain, useChainQuery } from "../../entities/chain.ts";
import { decodeTransactionError } from "../../entities/errors.ts";
import { count, time, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Card, Copy, Fact, Facts, Notice, Skeleton, TableBox, useTitle } from "../../shared/ui.tsx";
import { NoRpc } from "../shell/settings.tsx";
import { entriesOf, eventWords } from "./history.tsx";

const hex = (bytes: ArrayLike<number>) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export default function TransactionPage() {
  const { id } = useParams({ from: "/transactions/$id" });
  useTitle("Transaction");
  const chain = useChain();
  const query = useChainQuery(["transaction", id], (from) => readTransaction(from, id), 20_000);
  const found = query.data;
  return (
    <>
      <header className="page-head">
        <p className="eyebrow">
          {found?.events.some((event) => event.name === "LogExtended" || event.name === "PayoutsCredited")
            ? "Settlement"
            : "Transaction"}
        </p>
        <h1 className="mono">
          {id} <Copy text={id} label="the signature" />
        </h1>
      </header>
      {query.isPending && query.fetchStatus === "idle" && <NoRpc what="the transaction" />}
      {query.isPending && query.fetchStatus !== "idle" && <Skeleton lines={8} />}
      {query.error && (
        <Notice tone="bad" icon="warn" title="The chain did not answer">
          {query.error.message}
        </Notice>
      )}
      {found === null && (
        <Notice title="The RPC has no such transaction">
          It may be on another cluster, or the RPC keeps too little history.
        </Notice>
      )}
      {found && chain && (
        <>
          {found.error !== null && (
            <Notice tone="bad" icon="cross" title="It failed and changed nothing">
              {decodeTransactionError(found.error, found.logs)}
            </Notice>
          )}
          <div className="columns">
            <Card title="What it did" about="From the program's own events">
              {found.events.length === 0 && <Notice title="No event of the program" />}
              <ul className="rows">
                {found.events.map((event, at) => (
                  <li className="row" key={`${event.name}-${String(at)}`}>
                    <span>{eventWords(event)}</span>
                    <Badge>{event.name}</Badge>
                  </li>
                ))}
              </ul>
            </Card>
            <Card title="Transaction">
              <Facts>
                <Fact name="When">{found.at === null ? "not said" : time(found.at)}</Fact>
                <Fact name="Slot">{count(found.slot)}</Fact>
                <Fact name="Paid by">
                  <Id to="/wallets/$id" id={found.accounts[0] ?? ""} copy />
                </Fact>
                <Fact name="Network fee">
                  {found.fee === null ? "not said" : `${count(found.fee)} lamports`}
                </Fact>
                {found.units !== null && <Fact name="Compute">{count(found.units)} units</Fact>}
                <Fact name="Instructions">
                  {found.instructions
                    .map((instruction) => {
                      const program = found.accounts[instruction.programIdIndex];
                      if (program !== chain.place.program) return null;
                      const data = getBase58Encoder().encode(instruction.data as string);
                      return INSTRUCTIONS[hex(data.slice(0, 8))]?.name ?? "unknown";
                    })
                    .filter(Boolean)
                    .join(", ") || "none of the program"}
                </Fact>
              </Facts>
            </Card>
          </div>
          {found.events.map((event, at) => (
            <EventDetails key={`${event.name}-${String(at)}`} event={event} />
          ))}
          <details className="fine-print">
            <summary>Log of the program</summary>
            <pre className="log">{found.logs.join("\n")}</pre>
          </details>
        </>
      )}
    </>
  );
}

function EventDetails({ event }: { event: Parameters<typeof eventWords>[0] }) {
  const rows = entriesOf(event.data);
  if (event.name === "LogExtended") {
    return (
      <Card
        title="Log head"
        about="The program computed this root itself from the old peaks and the new subtrees"
      >
        <p className="mono wrap">{String(event.data["root"])}</p>
      </Card>
    );
  }
  if (rows.length === 0) return null;
  const debits = event.name === "AllowancesDebited";
  return (
    <Card
      title={debits ? "Debits" : "Credits"}
      about={
        debits
          ? "Reservations and what they were ever debited"
          : "Payout accounts and what they were ever credited; final"
      }
    >
      <TableBox label="What each account came to">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{debits ? "Reservation" : "Payout"}</th>
              <th scope="col">{debits ? "Debited so far" : "Credited so far"}</th>
              {debits && <th scope="col">Remains</th>}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={String(row["allowance"] ?? row["payout"])}>
                <td>
                  <Id id={String(row["allowance"] ?? row["payout"])} copy />
                </td>
                <td className="number">{usdc((row["debited"] ?? row["credited"] ?? 0n) as bigint)}</td>
                {debits && <td className="number">{usdc((row["remaining"] ?? 0n) as bigint)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
    </Card>
  );
}
