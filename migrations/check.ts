// Runs deploy.ts against an empty local chain, twice, and reads what came of it: `cargo xtask program
// migrate`.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import * as anchor from "@anchor-lang/core";
import idl from "../idls/pinaivu.json";
import deploy = require("./deploy");

/** What `pinaivu-localnet --ready-file` writes, as far as it is needed here. */
interface Ready {
  readonly rpc_url: string;
  readonly ws_url: string;
  readonly faucet_url: string;
  readonly mint: string;
}

async function fund(ready: Ready, address: string): Promise<void> {
  const response = await fetch(ready.faucet_url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ address, sol: 5 }),
  });
  assert(response.ok, `the faucet answers ${response.status}`);
}

/** A local chain that `authority` may open markets on. It ends when its standard input closes. */
async function start(authority: string, readyFile: string): Promise<[ChildProcess, Ready]> {
  const program = process.env["PINAIVU_LOCALNET"];
  assert(program !== undefined, "cargo xtask program migrate says where pinaivu-localnet lies");
  const arguments_ = ["--rpc-port", "0", "--slot-ms", "50", "--stdin-guard"];
  arguments_.push("--upgrade-authority", authority, "--ready-file", readyFile);
  const chain = spawn(program, arguments_, { stdio: ["pipe", "inherit", "inherit"] });
  let ended = false;
  chain.on("exit", () => (ended = true));
  chain.on("error", () => (ended = true));
  while (!existsSync(readyFile)) {
    assert(!ended, "the local chain ended before it was ready");
    await pause(50);
  }
  return [chain, JSON.parse(readFileSync(readyFile, "utf8")) as Ready];
}

async function migrateTwice(ready: Ready, wallet: anchor.Wallet): Promise<void> {
  // A mint that is no address would show only on the day of the deployment.
  for (const mint of Object.values(deploy.USDC)) {
    assert.equal(new anchor.web3.PublicKey(mint).toBase58(), mint);
  }
  const connection = new anchor.web3.Connection(ready.rpc_url, {
    commitment: "confirmed",
    wsEndpoint: ready.ws_url,
  });
  const provider = new anchor.AnchorProvider(connection, wallet, { commitment: "confirmed" });
  await fund(ready, wallet.publicKey.toBase58());

  const mint = new anchor.web3.PublicKey(ready.mint);
  const genesis = new anchor.web3.PublicKey(await connection.getGenesisHash());
  const program = new anchor.Program(idl as anchor.Idl, provider);
  const [market] = anchor.web3.PublicKey.findProgramAddressSync(
    [Buffer.from("market"), mint.toBytes(), genesis.toBytes()],
    program.programId,
  );
  assert.equal(await connection.getAccountInfo(market), null, "the cluster is empty");

  process.env["PINAIVU_MINT"] = ready.mint;
  await deploy(provider);
  const opened = await connection.getAccountInfo(market);
  assert(opened !== null, "the first run opens the market");
  const stored = program.coder.accounts.decode("market", opened.data) as Record<string, unknown>;
  assert.equal(String(stored["governance"]), wallet.publicKey.toBase58());
  assert.equal(String(stored["mint"]), ready.mint);
  assert.equal(stored["paused"], false);
  for (const [rule, value] of Object.entries(deploy.RULES)) {
    assert.equal(String(stored[rule]), String(value), rule);
  }

  const spent = await connection.getBalance(wallet.publicKey);
  await deploy(provider);
  const again = await connection.getAccountInfo(market);
  assert.deepEqual(again?.data, opened.data, "the second run changes nothing");
  assert.equal(await connection.getBalance(wallet.publicKey), spent, "and sends nothing");
  console.log("migrations: an empty cluster got its market, and a second run changed nothing");
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pinaivu-migration-"));
  const wallet = new anchor.Wallet(anchor.web3.Keypair.generate());
  const [chain, ready] = await start(wallet.publicKey.toBase58(), join(directory, "ready.json"));
  try {
    await migrateTwice(ready, wallet);
  } finally {
    const ended = new Promise((resolve) => chain.once("exit", resolve));
    chain.stdin?.end();
    await ended;
    rmSync(directory, { recursive: true });
  }
}

// Said outright: the client's socket would try to come back for ever.
main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
