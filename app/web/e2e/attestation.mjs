/** What is known of the code that a coordinator runs: its evidence, asked for and checked in the browser. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { accessible, json, misbehaving, picture, setting, visit } from "./setting.mjs";

const checksOf = (names) =>
  Object.fromEntries(names.map((text) => /^(.*?)(Passed|Failed|Not checked)$/.exec(text).slice(1)));

describe("attestation", () => {
  test("what a coordinator says of its code is held against the chain", { timeout: 60_000 }, async () => {
    const asked = async (answers, reply = null) =>
      misbehaving({ answers, reply }, async () => {
        const page = await visit("/coordinator");
        await page.getByRole("button", { name: "Ask for fresh evidence" }).click();
        const said = page.locator(".notice-title", { hasText: /^It/ });
        const words = await said.textContent();
        await accessible(page);
        await page.close();
        return words;
      });
    const absent = (path) =>
      path === "/v1/attestation"
        ? { ...json({ error: { message: "no", code: "not_found" } }), status: 404 }
        : null;
    assert.equal(await asked({}, absent), "It gives no evidence");
    const { base_url } = setting.stage.ready;
    // What this coordinator really answers, but for the evidence.
    const real = await (await fetch(`${base_url}/attestation?nonce=${"01".repeat(32)}`)).json();
    const unattested = { ...real, kind: null, evidence: null };
    assert.equal(await asked({ "/v1/attestation": unattested }), "It says itself that it is unattested");
    assert.equal(
      await asked({ "/v1/attestation": { ...unattested, state: "evidence" } }),
      "It gives no evidence",
    );
    // Evidence that is none: its form is all that is looked at.
    const nonsense = { ...real, state: "evidence", evidence: { kind: "nitro", nonce: "00" } };
    assert.equal(await asked({ "/v1/attestation": nonsense }), "Its evidence does not hold");
  });

  test("a coordinator on a developer's machine is unattested, and shows the configuration that it binds", {
    timeout: 60_000,
  }, async () => {
    const asked = async (change) =>
      misbehaving({ change }, async () => {
        const page = await visit("/coordinator");
        await page.getByRole("button", { name: "Ask for fresh evidence" }).click();
        const title = await page.locator(".notice-title", { hasText: /^It/ }).textContent();
        const names = await page.locator(".check-name").allTextContents();
        const shown = page.getByText("The configuration that it shows");
        await shown.click();
        await page.locator("details[open] code").getByText('"chain"').waitFor();
        assert.equal(await page.locator(".badge", { hasText: /^attested$/ }).count(), 0);
        await accessible(page);
        await picture(page, "coordinator-development");
        await page.close();
        return { title, checks: checksOf(names) };
      });
    assert.deepEqual(await asked(null), {
      title: "It says itself that it is unattested",
      checks: {
        Document: "Not checked",
        Nonce: "Passed",
        Identity: "Passed",
        "TLS key": "Not checked",
        Configuration: "Passed",
      },
    });
    // One that shows another configuration than it binds.
    const lie = (path, body) =>
      path === "/v1/attestation" ? body.replace('"configuration":{', '"configuration":{"more":1,') : body;
    const lying = await asked(lie);
    assert.equal(lying.title, "Its evidence does not hold");
    assert.equal(lying.checks.Configuration, "Failed");
  });

  test("documents of real machines are checked here to their makers' roots, and what they are not about", {
    timeout: 90_000,
  }, async () => {
    const read = (name) =>
      readFile(new URL(`../../../crates/attestation/tests/attestation/fixtures/${name}`, import.meta.url));
    const { base_url, coordinator } = setting.stage.ready;
    const network = await (await fetch(`${base_url}/network`)).json();
    // What is shown is what this coordinator shows; these documents bind none of it.
    const { configuration: shown } = await (
      await fetch(`${base_url}/attestation?nonce=${"01".repeat(32)}`)
    ).json();
    const binding = {
      deployment: network.deployment,
      coordinator,
      signer: network.signer,
      tls_key: "05".repeat(32),
      configuration: "06".repeat(32),
    };
    const given = async (kind, document, at) => {
      const reply = (path) =>
        path === "/v1/attestation"
          ? json({
              state: "evidence",
              kind,
              configuration: shown,
              evidence: {
                format: "pinaivu-attestation/v1",
                kind,
                binding,
                nonce: "07".repeat(32),
                document: document.toString("base64"),
              },
            })
          : null;
      return misbehaving({ reply }, async () => {
        // Certificates of such machines last for hours: the page is looked at when they were made, in a
        // browser of its own, since a clock is a whole browser's.
        const context = await setting.stage.device();
        const page = await visit("/coordinator", { context });
        await page.clock.setFixedTime(at);
        await page.getByRole("button", { name: "Ask for fresh evidence" }).click();
        await page.getByText("Its evidence does not hold").waitFor();
        const names = await page.locator(".check-name").allTextContents();
        await accessible(page);
        await picture(page, `coordinator-${kind}`);
        await context.close();
        return checksOf(names);
      });
    };
    // Neither was made for this coordinator, for a nonce of ours or of code that it names: that is wrong with them.
    assert.deepEqual(await given("nitro", await read("nitro/document.cose"), new Date(1_743_806_208_770)), {
      Document: "Passed",
      "Certificate chain": "Passed",
      "Maker's signature": "Passed",
      Time: "Passed",
      "Debug mode": "Passed",
      Nonce: "Failed",
      Identity: "Passed",
      Binding: "Failed",
      Measurement: "Failed",
      "Market's list": "Failed",
      "TLS key": "Not checked",
      Configuration: "Failed",
    });
    assert.deepEqual(await given("tdx", await read("tdx/quote.bin"), new Date("2025-07-01")), {
      Document: "Passed",
      "Certificate chain": "Passed",
      "Maker's signature": "Passed",
      "Quoting enclave": "Passed",
      Time: "Not checked",
      "Debug mode": "Passed",
      "Platform's updates": "Not checked",
      Nonce: "Failed",
      Identity: "Passed",
      Binding: "Failed",
      Measurement: "Failed",
      "Market's list": "Failed",
      "TLS key": "Not checked",
      Configuration: "Failed",
    });
    // A day later AWS's certificate is over.
    const late = await given("nitro", await read("nitro/document.cose"), new Date(1_743_892_608_770));
    assert.equal(late["Certificate chain"], "Failed");
    assert.equal(late["Maker's signature"], "Not checked");
  });
});
