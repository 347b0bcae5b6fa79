/** API keys that spend from the limit. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNetwork } from "../../entities/coordinator.ts";
import { createKey, listKeys, revokeKey } from "../../entities/keys.ts";
import { useWallet } from "../../entities/wallet.tsx";
import { time } from "../../shared/format.ts";
import { Badge, Button, Card, Copy, Field, Notice, Skeleton } from "../../shared/ui.tsx";

export function Keys({ allowance }: { allowance: string | null }) {
  const network = useNetwork();
  const { wallet } = useWallet();
  const queries = useQueryClient();
  const [label, setLabel] = useState("");
  const name = ["keys", wallet?.address, network.data?.coordinator];
  // Listing needs a signature, so it is done when asked for and not by itself.
  const list = useQuery({
    queryKey: name,
    queryFn: () => (wallet && network.data ? listKeys(wallet, network.data) : []),
    enabled: false,
    retry: false,
  });
  const create = useMutation({
    mutationFn: async () => {
      if (!wallet || !network.data || !allowance) throw new Error("Connect a wallet and set a limit first.");
      return createKey(wallet, network.data, allowance, label.trim() || "key");
    },
    onSuccess: ({ key: _, ...shown }) => {
      setLabel("");
      queries.setQueryData<(typeof shown)[]>(name, (known) => known && [...known, shown]);
    },
  });
  const revoke = useMutation({
    mutationFn: async (key: string) => {
      if (!wallet || !network.data) throw new Error("Connect a wallet first.");
      return revokeKey(wallet, network.data, key);
    },
    onSuccess: ({ id }) =>
      queries.setQueryData<NonNullable<typeof list.data>>(name, (known) =>
        known?.map((key) => (key.id === id ? { ...key, revoked: Date.now() } : key)),
      ),
  });
  if (!network.data)
    return <Notice tone="wait" icon="warn" title="Keys need the coordinator, which cannot be reached" />;
  const problem = create.error ?? revoke.error ?? list.error;
  return (
    <div className="columns">
      <Card title="New key" about="Your wallet signs a command. It moves no money.">
        {allowance ? (
          <form
            className="stack tight"
            onSubmit={(event) => {
              event.preventDefault();
              create.mutate();
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
            <div>
              <Button type="submit" tone="primary" icon="key" busy={create.isPending}>
                Create a key
              </Button>
            </div>
          </form>
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
        {problem && (
          <Notice tone="bad" icon="warn" title="Not done">
            {problem.message}
          </Notice>
        )}
        <p className="fine-print">
          Budgets and expiry for single keys are not offered by this coordinator yet; the limit bounds all
          keys together.
        </p>
      </Card>
      <Card
        title="Your keys"
        action={
          <Button icon="retry" busy={list.isFetching} onClick={() => void list.refetch()}>
            {list.data ? "Refresh" : "Show"}
          </Button>
        }
      >
        {list.isFetching && !list.data ? (
          <Skeleton />
        ) : !list.data ? (
          <Notice icon="lock" title="Sign to see your keys">
            The coordinator shows them only to the wallet that owns them.
          </Notice>
        ) : list.data.length === 0 ? (
          <Notice icon="key" title="No keys yet" />
        ) : (
          <ul className="rows">
            {list.data.map((key) => (
              <li className="row" key={key.id}>
                <span className="row-main">
                  <strong>{key.label}</strong>
                  <span className="quiet">created {time(key.created)}</span>
                </span>
                {key.revoked === null ? (
                  <Button
                    tone="danger"
                    onClick={() => revoke.mutate(key.id)}
                    busy={revoke.isPending && revoke.variables === key.id}
                  >
                    Revoke
                  </Button>
                ) : (
                  <Badge>revoked</Badge>
                )}
              </li>
            ))}
          </ul>
        )}
      </Card>
    </div>
  );
}
