/** What happened on chain, newest first, in words. */
import type { HistoryItem } from "../../entities/chain.ts";
import { ago, count } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Notice, useNow } from "../../shared/ui.tsx";
import { eventWords } from "./history.tsx";

export function Activity({ items }: { items: readonly HistoryItem[] }) {
  const now = useNow(5_000);
  const shown = items.filter((item) => item.events.length > 0 || item.failed).slice(0, 12);
  if (shown.length === 0)
    return <Notice title="Nothing yet">Settlements appear here as the coordinator makes them.</Notice>;
  return (
    <ul className="rows">
      {shown.map((item) => (
        <li key={item.signature} className="row">
          <span className="row-main">
            {item.failed ? (
              <span>
                <Badge tone="bad">failed</Badge>
              </span>
            ) : (
              item.events.map((event, at) => (
                <span key={`${event.name}-${String(at)}`}>{eventWords(event)}</span>
              ))
            )}
            <span className="quiet">
              <Id to="/transactions/$id" id={item.signature} /> · slot {count(item.slot)}
            </span>
          </span>
          <span className="row-side quiet">{item.at === null ? "" : ago(item.at, now)}</span>
        </li>
      ))}
    </ul>
  );
}
