/**
 * Receipts that somebody recorded on chain, each in an account of its own. The program saw the leaf's path to
 * the log's root, so they hold without the coordinator, and against one that shows something else.
 */
import type { ReceiptRecord } from "@pinaivu/program";
import { type Receipt, receiptLeaf, toHex } from "@pinaivu/verify";
import { type Located, listReceiptRecords, useChainQuery } from "../../entities/chain.ts";
import { count, fine, time } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Card, Copy, Fact, Facts, Notice } from "../../shared/ui.tsx";

const leafOf = (record: ReceiptRecord) => toHex(Uint8Array.from(record.leaf));

/** What a record says to a receipt with this place in the log; `null` without such a receipt. */
export function agrees(record: ReceiptRecord, receipts: readonly Receipt[]): boolean | null {
  const same = receipts.find(
    ({ head }) => head.epoch === record.epoch && BigInt(head.index) === record.index,
  );
  return same ? receiptLeaf(same) === leafOf(record) : null;
}

/** The accounts of a request's receipts, beside what the coordinator served, if it did. */
export function Recorded({ id, receipts }: { id: string; receipts: readonly Receipt[] | null }) {
  const records = useChainQuery(["records", id], (chain) => listReceiptRecords(chain, id), 15_000);
  const found = records.data ?? [];
  if (found.length === 0) {
    // Nothing is missing: the log's head vouches for every receipt.
    if (!receipts || !records.data) return null;
    const command = `pinaivu receipt record ${id}`;
    return (
      <p className="quiet record-hint">
        It has no account of its own on chain, and needs none. To give it one: <code>{command}</code>
        <Copy text={command} label="the command" />
      </p>
    );
  }
  return (
    <Card title="Recorded on chain" about="In an account of its own, whatever the coordinator shows">
      <div className="stack">
        {found.map((record) => (
          <Account key={record.address} record={record} receipts={receipts} />
        ))}
      </div>
    </Card>
  );
}

function Account({
  record,
  receipts,
}: {
  record: Located<ReceiptRecord>;
  receipts: readonly Receipt[] | null;
}) {
  const same = receipts && agrees(record, receipts);
  return (
    <div className="stack tight">
      {same === false && (
        <Notice tone="bad" icon="warn" title="The chain has another receipt at this place of the log">
          What was served here is not what the log holds.
        </Notice>
      )}
      <Facts>
        <Fact name="Leaf" help="Hash of the receipt's head and body, as the log has it.">
          <Id id={leafOf(record)} copy />{" "}
          {same === true && (
            <Badge tone="good" icon="check">
              same as this receipt
            </Badge>
          )}
        </Fact>
        <Fact name="Account">
          <Id id={record.address} copy />
        </Fact>
        {!receipts && (
          <>
            <Fact name="Model">{record.model}</Fact>
            <Fact name="Served by">
              <Id to="/nodes/$id" id={record.node} copy />
            </Fact>
            <Fact name="Tokens">
              {count(record.inputTokens)} in, {count(record.outputTokens)} out
            </Fact>
            <Fact name="Charged">
              {fine(record.amount)} USDC, of it {fine(record.fee)} the coordinator's fee
            </Fact>
            <Fact name="When">{time(Number(record.created))}</Fact>
          </>
        )}
        <Fact name="Log">
          entry {count(record.index)}
          {record.epoch > 0 && `, epoch ${record.epoch}`}
        </Fact>
        <Fact name="Recorded">
          in slot {count(record.recordedSlot)} by <Id to="/wallets/$id" id={record.rentPayer} />
        </Fact>
      </Facts>
    </div>
  );
}
