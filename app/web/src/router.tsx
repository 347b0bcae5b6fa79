/** The pages and where they are. Each is loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from "@tanstack/react-router";
import { Layout } from "./features/shell/layout.tsx";
import { Button, Notice } from "./shared/ui.tsx";

const root = createRootRoute({
  component: Layout,
  notFoundComponent: () => (
    <>
      <header className="page-head">
        <h1>There is no such page</h1>
      </header>
      <Notice
        icon="search"
        title="Check the address, or search for an id"
        action={<Link to="/">To the front page</Link>}
      />
    </>
  ),
  errorComponent: ({ error, reset }) => (
    <Notice
      tone="bad"
      icon="warn"
      title="This page broke"
      action={
        <Button icon="retry" onClick={reset}>
          Try again
        </Button>
      }
    >
      {error instanceof Error ? error.message : "for a reason that is no error"}
    </Notice>
  ),
});

const routes = [
  createRoute({
    getParentRoute: () => root,
    path: "/",
    component: lazyRouteComponent(() => import("./features/explorer/front.tsx")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/receipts/$id",
    component: lazyRouteComponent(() => import("./features/explorer/receipt.tsx")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/transactions/$id",
    component: lazyRouteComponent(() => import("./features/explorer/transaction.tsx")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/nodes/$id",
    component: lazyRouteComponent(() => import("./features/explorer/node.tsx")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/wallets/$id",
    component: lazyRouteComponent(() => import("./features/explorer/wallet.tsx")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/coordinator",
    component: lazyRouteComponent(() => import("./features/explorer/coordinator.tsx")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/console",
    component: lazyRouteComponent(() => import("./features/console/console.tsx")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/chat",
    component: lazyRouteComponent(() => import("./features/chat/chat.tsx")),
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
