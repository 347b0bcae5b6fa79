/** Registers a node with its hot key, made here or taken from a file. The key is kept nowhere. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { createKeyPairFromBytes, getAddressFromPublicKey } from "@solana/kit";
import { useState } from "react";
import { saveFile } from "../../shared/download.ts";
import { usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Button, Card, Copy, FileButton, Notice } from "../../shared/ui.tsx";
import type { Setting } from "./plans.ts";
import * as plans from "./plans.ts";
import { useSend } from "./send.tsx";

const COMMAND = "pinaivu node register --key node-key.json --wallet operator.json";

interface HotKey {
  readonly pair: CryptoKeyPair;
  readonly address: string;
  readonly from: string;
}

/** A key pair from the 64 bytes of Solana's key file: seed and public key. */
async function hotKeyOf(bytes: Uint8Array, from: string): Promise<HotKey> {
  const pair = await createKeyPairFromBytes(bytes);
  return { pair, address: await getAddressFromPublicKey(pair.publicKey), from };
}

export function Register({ setting, first }: { setting: Setting; first: boolean }) {
  const send = useSend();
  const [key, setKey] = useState<HotKey | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const make = async () => {
    const seed = crypto.getRandomValues(new Uint8Array(32));
    const bytes = new Uint8Array(64);
    bytes.set(seed);
    bytes.set(ed25519.getPublicKey(seed), 32);
    saveFile("node-key.json", "application/json", JSON.stringify([...bytes]));
    setProblem(null);
    setKey(await hotKeyOf(bytes, "made here, and downloaded as node-key.json"));
  };
  const open = async (file: File) => {
    try {
      const numbers: unknown = JSON.parse(await file.text());
      if (!Array.isArray(numbers) || numbers.length !== 64) throw new Error();
      setKey(await hotKeyOf(Uint8Array.from(numbers as number[]), `from ${file.name}`));
      setProblem(null);
    } catch {
      setProblem("That is no key file: an array of 64 numbers is expected.");
    }
  };
  return (
    <Card
      title={first ? "Run a node" : "Another node"}
      about="Beside vLLM, llama.cpp, SGLang or Ollama; no inbound port, no price list"
    >
      <div className="stack tight">
        <p>
          A node signs with a hot key of its own, which owns nothing and can be rotated. Your wallet becomes
          its operator and owns stake and earnings. The market asks for a stake of at least{" "}
          {usdc(setting.market.minStake)} USDC.
        </p>
        {setting.market.paused && (
          <Notice tone="wait" title="Registrations are paused">
            Stake and earnings can be taken out all the same.
          </Notice>
        )}
        {key ? (
          <Notice
            tone="good"
            icon="key"
            title="The node's hot key"
            action={
              <span className="button-row">
                <Button tone="primary" onClick={() => send(() => plans.register(setting, key.pair))}>
                  Register the node
                </Button>
                <Button tone="quiet" onClick={() => setKey(null)}>
                  Another key
                </Button>
              </span>
            }
          >
            <Id id={key.address} copy /> {key.from}. Move the file to the node's machine.
          </Notice>
        ) : (
          <div className="button-row">
            <Button tone="primary" icon="key" onClick={() => void make()}>
              Make a hot key
            </Button>
            <FileButton onFile={(file) => void open(file)}>Open a key file</FileButton>
          </div>
        )}
        {problem && (
          <p className="field-about wrong" role="alert">
            {problem}
          </p>
        )}
        <details className="more">
          <summary>On the node's machine instead</summary>
          <p className="quiet">The key then never leaves it:</p>
          <div className="snippet">
            <Copy text={COMMAND} label="the command" />
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
            <pre tabIndex={0}>{COMMAND}</pre>
          </div>
        </details>
      </div>
    </Card>
  );
}
