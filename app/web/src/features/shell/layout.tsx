/** The frame around every page. */
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { Tooltip } from "radix-ui";
import { Suspense, useEffect, useState } from "react";
import { useNetwork } from "../../entities/coordinator.ts";
import { setSetting, useRpcUrl, useSetting } from "../../entities/settings.ts";
import { Icon } from "../../shared/icons.tsx";
import { IconButton, Skeleton, Tip } from "../../shared/ui.tsx";
import { SearchBox } from "./search.tsx";
import { SettingsDialog } from "./settings.tsx";

function useTheme(): "light" | "dark" {
  const chosen = useSetting("theme");
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setDark(media.matches);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, []);
  const theme = chosen === "light" || chosen === "dark" ? chosen : dark ? "dark" : "light";
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  return theme;
}

export function Layout() {
  const theme = useTheme();
  const [settings, setSettings] = useState(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const chat = path.startsWith("/chat");
  return (
    <Tooltip.Provider delayDuration={250}>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <div className="top-inner">
          <Link to="/" className="brand" aria-label="Pinaivu, front page">
            <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
              <path className="brand-slip" d="M5 3h22v26l-3.7-2.6-3.6 2.6-3.7-2.6-3.7 2.6-3.6-2.6L5 29z" />
              <path className="brand-tick" d="M10.500 14.200l4 4 7.400-8.400" />
            </svg>
            <span>Pinaivu</span>
          </Link>
          <nav className="nav" aria-label="Main">
            <Link to="/" activeOptions={{ exact: true }}>
              Explorer
            </Link>
            <Link to="/coordinator">Coordinator</Link>
            <Link to="/chat">Chat</Link>
            <Link to="/console">Console</Link>
          </nav>
          <div className="top-end">
            {path !== "/" && <SearchBox />}
            <ChainState />
            <IconButton
              icon={theme === "dark" ? "sun" : "moon"}
              label={theme === "dark" ? "Light appearance" : "Dark appearance"}
              onClick={() => setSetting("theme", theme === "dark" ? "light" : "dark")}
            />
            <IconButton icon="settings" label="Settings" onClick={() => setSettings(true)} />
          </div>
        </div>
      </header>
      <main id="content" className={chat ? "page chat-page" : "page"} tabIndex={-1}>
        <Suspense fallback={<Skeleton lines={8} />}>
          <Outlet />
        </Suspense>
      </main>
      {!chat && (
        <footer className="foot">
          <p>
            What comes from the chain or from signed bytes is evidence. What only the coordinator says is
            marked as its word.
          </p>
          <p className="quiet">
            No analytics. Nothing is loaded from anywhere but this coordinator and your RPC.
          </p>
        </footer>
      )}
      <SettingsDialog open={settings} onOpenChange={setSettings} />
    </Tooltip.Provider>
  );
}

function ChainState() {
  const rpc = useRpcUrl();
  const network = useNetwork();
  const host = rpc ? new URL(rpc.url).host : null;
  const tone = network.error ? "bad" : host ? "good" : "wait";
  const says = network.error
    ? "Coordinator unreachable"
    : host
      ? `Chain read through ${host}${rpc?.own ? ", your choice" : ", suggested by the coordinator"}`
      : "No Solana RPC is set";
  const shown = network.error ? "offline" : ((network.data?.local ? "local chain" : host) ?? "no RPC");
  return (
    <Tip text={says}>
      <button type="button" className={`chain-state ${tone}`} aria-label={`${shown}: ${says}`}>
        <Icon name="chain" />
        <span>{shown}</span>
      </button>
    </Tip>
  );
}
