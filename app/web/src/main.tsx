/** Starts the application. */
import "@fontsource-variable/archivo/wdth.css";
import "@fontsource-variable/jetbrains-mono/index.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiFailure } from "./entities/coordinator.ts";
import { WalletProvider } from "./entities/wallet.tsx";
import { router } from "./router.tsx";

/** What the coordinator refused or does not have will be the same a second later. */
const retry = (failures: number, error: Error) =>
  failures < 1 && !(error instanceof ApiFailure && error.kind !== "unreachable");
// Also without a connection: then it fails and is said, where it would otherwise wait and say nothing.
const networkMode = "always";
const queries = new QueryClient({
  defaultOptions: { queries: { retry, staleTime: 1_000, networkMode }, mutations: { networkMode } },
});
const root = document.getElementById("root");
if (!root) throw new Error("the page has no root element");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <WalletProvider>
        <RouterProvider router={router} />
      </WalletProvider>
    </QueryClientProvider>
  </StrictMode>,
);
if ("serviceWorker" in navigator && import.meta.env.PROD) {
  // Keeps the application at hand while the coordinator that served it is down. Optional: it may be refused.
  void navigator.serviceWorker.register("/worker.js").catch(() => undefined);
}
