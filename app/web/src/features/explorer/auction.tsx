/** The auction behind a receipt: what the signed bytes say, and the offers once it was run again here. */
import type { Candidate, Exclusion, Receipt, Replay } from "@pinaivu/verify";
import { count, percent, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, TableBox } from "../../shared/ui.tsx";

export function Auction({ receipt: { head, body }, replay }: { receipt: Receipt; replay: Replay | null }) {
  const { winner_ask, best_losing_ask, candidates } = body.auction;
  const { price } = body.tariff;
  const limit = (winner_ask * 11n) / 10n;
  const top = [price, best_losing_ask ?? 0n, limit].reduce((a, b) => (a > b ? a : b));
  const width = (value: bigint) => `${Number((value * 1000n) / (top || 1n)) / 10}%`;
  const rows: [string, bigint, string][] = [
    ["Winner asked", winner_ask, ""],
    ["Price paid", price, "accent"],
    ...(best_losing_ask === null
      ? []
      : ([["Next best ask", best_losing_ask, ""]] as [string, bigint, string][])),
  ];
  return (
    <section className="auction">
      <h3>
        Auction{" "}
        <span className="quiet">
          {candidates === 0
            ? "restored after a crash"
            : candidates === 1
              ? "a single offer"
              : `${candidates} offers competed`}
        </span>
      </h3>
      {rows.map(([name, value, tone]) => (
        <div className="bar-row" key={name}>
          <span>{name}</span>
          <span className="bar-track">
            <span className={`bar ${tone}`} style={{ width: width(value) }} />
          </span>
          <span className="number">{usdc(value)}</span>
        </div>
      ))}
      <p className="quiet">
        The winner is paid what would still have won, at most a tenth above its ask ({usdc(limit)}). Book head{" "}
        <Id id={body.auction.book_head} copy />
        {replay ? "." : ": a commitment. “Verify this receipt” reads the book and runs the auction again."}
      </p>
      {replay && <Offers replay={replay} node={head.node} />}
    </section>
  );
}

const WHY: Record<Exclusion, string> = {
  expired: "ask had ended",
  not_pinned: "another was asked for",
  excluded: "left out",
  features: "cannot do it",
  context: "too little context",
  above_limit: "above the limit",
  busy: "was full",
};

/** Every offer there was, best first, and what became of it. */
function Offers({ replay, node }: { replay: Replay; node: string }) {
  const { clearing, problem, terms, version } = replay;
  return (
    <>
      <p className={problem ? "replay bad" : "replay good"} role="status">
        <Badge tone={problem ? "bad" : "good"} icon={problem ? "cross" : "check"}>
          {problem ? "another outcome" : "run again, same outcome"}
        </Badge>{" "}
        {problem ?? `from ${count(version)} entries of the book, in this browser`}
      </p>
      {clearing && (
        <TableBox label="Offers in the book">
          <table className="table offers">
            <caption className="unseen">Offers in the book</caption>
            <thead>
              <tr>
                <th scope="col">Node</th>
                <th scope="col">Asked</th>
                <th scope="col">Quality</th>
                <th scope="col">Outcome</th>
              </tr>
            </thead>
            <tbody>
              {clearing.ranked.map((candidate, rank) => (
                <tr key={candidate.offer.node}>
                  <td>
                    <Id to="/nodes/$id" id={candidate.offer.node} />
                  </td>
                  <td className="number">{usdc(candidate.offer.ask.price)}</td>
                  <td className="number">{percent(candidate.offer.quality)}</td>
                  <td className="number">
                    {candidate.offer.node === node ? (
                      <Badge tone="accent">served at {usdc(candidate.price)}</Badge>
                    ) : (
                      place(candidate, rank, replay)
                    )}
                  </td>
                </tr>
              ))}
              {clearing.excluded.map(({ offer, why }) => (
                <tr key={offer.node}>
                  <td>
                    <Id to="/nodes/$id" id={offer.node} />
                  </td>
                  <td className="number">{usdc(offer.ask.price)}</td>
                  <td className="number">{percent(offer.quality)}</td>
                  <td className="number quiet">{WHY[why]}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
      <p className="quiet">
        Asks are signed by their nodes. Quality (lower is better), who was full
        {terms && `, and a prompt of about ${count(terms.input_tokens)} tokens`} are the coordinator's word.
      </p>
    </>
  );
}

/** Of one that did not serve. */
function place(candidate: Candidate, rank: number, { rank: served, clearing }: Replay): string {
  if (served !== null && rank < served) return "tried before, failed";
  const winner = served === null ? undefined : clearing?.ranked[served];
  return winner?.runner_up === candidate.offer.node ? "set the price" : "lost";
}
