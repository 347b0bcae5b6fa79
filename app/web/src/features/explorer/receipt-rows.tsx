/** Receipts as a list. */
import type { Row } from "../../entities/coordinator.ts";
import { ago, count, fine } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge } from "../../shared/ui.tsx";

export function ReceiptRows({ rows, now }: { rows: readonly Row[]; now: number }) {
  return (
    <ul className="rows">
      {rows.map((row) => (
        <li key={`${row.epoch}.${row.index}`} className="row">
          <span className="row-main">
            <Id to="/receipts/$id" id={row.request_id} />
            <span className="quiet">
              {row.model} · {count(row.input_tokens)} → {count(row.output_tokens)} tokens
            </span>
          </span>
          <span className="row-side">
            <span className="number">{fine(row.amount)} USDC</span>
            <span className="quiet">
              {row.outcome !== "completed" && <Badge tone="wait">{row.outcome}</Badge>}{" "}
              {ago(row.created, now)}
            </span>
          </span>
        </li>
      ))}
    </ul>
  );
}
