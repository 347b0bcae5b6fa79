/** History and memory on other devices, and people who try to read what is not theirs. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { answered, askInChat, chatWithKey, picture, setting, unlock, until, visit } from "./setting.mjs";
import { injectWallet, keyFile } from "./wallet.mjs";

const synced = (page) => page.getByText("kept encrypted and synced").waitFor();
/** The next round begins when a page is looked at again. */
const lookAgain = (page) => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

describe("devices", () => {
  test("the same wallet finds its chats and memories elsewhere; changes and deletions follow", {
    timeout: 120_000,
  }, async () => {
    const { stage } = setting;
    stage.web.control.seen.length = 0;
    const first = await chatWithKey();
    await unlock(first);
    await askInChat(first, "Remember that my sister lives in Lisbon.");
    await answered(first).waitFor();
    const put = () => stage.web.control.seen.filter(({ method }) => method === "PUT");
    await until(() => put().length >= 2);
    await synced(first);

    const elsewhere = await stage.device();
    await injectWallet(elsewhere, JSON.parse(await readFile(stage.ready.wallet, "utf8")));
    await elsewhere.addInitScript(() => localStorage.setItem("pinaivu.wallet", "Test Wallet"));
    const second = await visit("/chat", { context: elsewhere });
    await unlock(second);
    await second.getByRole("button", { name: "Remember that my sister", exact: false }).first().click();
    await second.locator(".question", { hasText: "my sister lives in Lisbon" }).waitFor();
    await picture(second, "chat-second-device");
    await second.getByRole("button", { name: /^Memory/ }).click();
    const about = (page, text) =>
      page.locator(".memories li", { has: page.getByRole("button", { name: `Forget: ${text}` }) });
    const memory = about(second, "my sister lives in Lisbon").getByRole("textbox", { name: "A memory" });
    assert.equal(await memory.inputValue(), "my sister lives in Lisbon");

    // An edit there is here, and so is a deletion.
    await memory.fill("my sister lives in Porto");
    await memory.blur();
    await second.getByRole("button", { name: "Close" }).click();
    await first.getByRole("button", { name: /^Memory/ }).click();
    await until(async () => {
      await lookAgain(first);
      return (await about(first, "my sister lives in Porto").count()) === 1;
    });
    assert.equal(await about(first, "my sister lives in Lisbon").count(), 0);
    await first.getByRole("button", { name: "Forget: my sister lives in Porto" }).click();
    await first.getByRole("button", { name: "Close" }).click();
    await second.getByRole("button", { name: /^Memory/ }).click();
    await until(async () => {
      await lookAgain(second);
      return (await second.getByRole("button", { name: "Forget: my sister lives in Porto" }).count()) === 0;
    });
    await second.getByRole("button", { name: "Close" }).click();
    await first.getByRole("button", { name: "Delete Remember that my sister", exact: false }).click();
    await until(async () => {
      await lookAgain(second);
      return (await second.getByText("Remember that my sister lives in Lisbon").count()) === 0;
    });
    await elsewhere.close();
    await first.close();
  });

  test("nobody reads another's blobs, also who knows where they are", { timeout: 90_000 }, async () => {
    const { stage } = setting;
    const mine = await chatWithKey();
    await unlock(mine);
    await askInChat(mine, "Remember that the vault's password is Xylophon.");
    await answered(mine).waitFor();
    const put = await until(() => stage.web.control.seen.findLast(({ method }) => method === "PUT"));
    await synced(mine);

    // What the coordinator holds has none of it, nor what names it.
    for (const { path, body } of stage.web.control.seen) {
      assert.doesNotMatch(body.toString("latin1"), /Xylophon|password|Lisbon|chat\//);
      assert.doesNotMatch(path, /chat|memory/);
    }
    // A key names the wallet's limit: it goes along at most once, when the namespace is new.
    assert.ok(stage.web.control.seen.filter(({ headers }) => headers["x-pinaivu-key"]).length <= 1);

    // The address alone, another's signature, and a request of the owner's once more.
    const coordinator = new URL(stage.ready.base_url).origin;
    const namespace = put.path.split("/")[3];
    for (const path of [put.path, `/v1/blobs/${namespace}`]) {
      const bare = await fetch(coordinator + path);
      assert.equal(bare.status, 401, path);
      const seen = stage.web.control.seen.findLast(
        (request) => request.method === "GET" && request.path === `/v1/blobs/${namespace}`,
      );
      const again = await fetch(coordinator + path, {
        headers: { authorization: seen.headers.authorization },
      });
      assert.equal(again.status, 401, path);
    }
    for (const method of ["PUT", "DELETE"]) {
      const forged = await fetch(coordinator + put.path, {
        method,
        headers: { authorization: put.headers.authorization, "if-match": '"1"' },
        ...(method === "PUT" ? { body: "theirs" } : {}),
      });
      assert.equal(forged.status, 401, method);
    }

    // Another person in the very same browser application, with a wallet of their own.
    const stranger = await stage.device();
    await injectWallet(stranger, keyFile(7));
    await stranger.addInitScript(() => localStorage.setItem("pinaivu.wallet", "Test Wallet"));
    const theirs = await visit("/chat", { context: stranger });
    const before = stage.web.control.seen.length;
    await unlock(theirs);
    // The first page goes on with its own meanwhile: what counts is that this one asks for another.
    await until(() => stage.web.control.seen.slice(before).some(({ path }) => !path.includes(namespace)));
    assert.equal(await theirs.getByText("Xylophon").count(), 0);
    await theirs.getByText("No conversations yet").waitFor();
    await stranger.close();
    await mine.close();
  });
});
