/** A receipt as a slip: what was charged, who served, and the auction it came from. */
import type { Receipt, Replay } from "@pinaivu/verify";
import type { ServedReceipts } from "../../entities/coordinator.ts";
import { count, fine, percent, time, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Fact, Facts } from "../../shared/ui.tsx";
import { Auction } from "./auction.tsx";

export function Slip({
  receipt,
  of,
  served,
  replay,
}: {
  receipt: Receipt;
  of: number;
  served: ServedReceipts;
  /** The auction run again here; nothing before that. */
  replay: Replay | null;
}) {
  const { head, body } = receipt;
  const state = served.receipts.find((entry) => entry.segment === head.segment);
  return (
    <article className="slip" aria-label={`Receipt of ${body.model}`}>
      <header className="slip-head">
        <h2 className="slip-model">{body.model}</h2>
        <span className="quiet">{time(Number(body.created))}</span>
        {of > 1 && (
          <Badge>
            part {head.segment + 1} of {of}
          </Badge>
        )}
        {body.outcome !== "completed" && <Badge tone="wait">{body.outcome}</Badge>}
      </header>
      <table className="slip-lines">
        <caption className="unseen">What was charged</caption>
        <thead>
          <tr>
            <th scope="col">Tokens</th>
            <th scope="col">Weight</th>
            <th scope="col">USDC</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{count(body.input_tokens)} in</th>
            <td>× {body.tariff.input_weight}</td>
            <td>{fine(body.tariff.price * BigInt(body.input_tokens) * BigInt(body.tariff.input_weight))}</td>
          </tr>
          <tr>
            <th scope="row">{count(body.output_tokens)} out</th>
            <td>× {body.tariff.output_weight}</td>
            <td>
              {fine(body.tariff.price * BigInt(body.output_tokens) * BigInt(body.tariff.output_weight))}
            </td>
          </tr>
        </tbody>
        <tfoot>
          <tr className="slip-total">
            <th scope="row" colSpan={2}>
              Total
            </th>
            <td>{fine(body.amount)}</td>
          </tr>
          <tr>
            <th scope="row" colSpan={2}>
              to the node
            </th>
            <td>{fine(body.amount - body.fee)}</td>
          </tr>
          <tr>
            <th scope="row" colSpan={2}>
              coordinator's fee, {percent(body.fee_rate)}
            </th>
            <td>{fine(body.fee)}</td>
          </tr>
        </tfoot>
      </table>
      <Facts>
        <Fact name="Served by">
          <Id to="/nodes/$id" id={head.node} copy />
        </Fact>
        {body.statement && (
          <Fact name="With" help="What the node says it ran: its own word, signed.">
            {body.statement.proof.model}, {body.statement.proof.backend}
          </Fact>
        )}
        <Fact name="Price" help="For a million weighted tokens, from the auction.">
          {usdc(body.tariff.price)} USDC per million weighted tokens
        </Fact>
        <Fact name="Log" help="Its place in the coordinator's append-only log.">
          entry {count(head.index)}
          {head.epoch > 0 && `, epoch ${head.epoch}`}
        </Fact>
        <Fact name="Settlement">
          <Settlement state={state} />
        </Fact>
        <Fact name="Request" help="Salted SHA-256 of your request in canonical form.">
          <Id id={body.request_commitment} copy />
        </Fact>
        <Fact name="Answer" help="Salted SHA-256 of the answer in canonical form.">
          <Id id={body.response_commitment} copy />
        </Fact>
      </Facts>
      <Auction receipt={receipt} replay={replay} />
    </article>
  );
}

function Settlement({ state }: { state: ServedReceipts["receipts"][number] | undefined }) {
  if (!state) return <span className="quiet">not said</span>;
  const { log, credit, debited } = state.settlement;
  return (
    <span className="settled">
      {log ? (
        <Id to="/transactions/$id" id={log.signature} label="anchored" />
      ) : (
        <span className="quiet">not anchored yet</span>
      )}
      <span aria-hidden> · </span>
      {debited ? "debited" : <span className="quiet">not debited yet</span>}
      <span aria-hidden> · </span>
      {credit ? (
        <Id to="/transactions/$id" id={credit.signature} label="node credited" />
      ) : (
        <span className="quiet">node not credited yet</span>
      )}
    </span>
  );
}
