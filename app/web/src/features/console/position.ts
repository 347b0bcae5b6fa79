/** Where the cluster is: the program's delays are in slots and in time, and both have to pass. */
import { useQuery } from "@tanstack/react-query";
import type { Setting } from "./plans.ts";

/** The confirmed slot, followed while it is wanted. */
export const usePosition = (setting: Setting, wanted: boolean) =>
  useQuery({
    queryKey: ["chain", "position", setting.chain.url],
    queryFn: async () => setting.chain.rpc.getSlot({ commitment: "confirmed" }).send(),
    refetchInterval: 2_000,
    enabled: wanted,
  });
