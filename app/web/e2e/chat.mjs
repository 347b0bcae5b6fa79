/** Journeys of people who talk to models. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import {
  accessible,
  answered,
  askInChat,
  chatWithKey,
  json,
  misbehaving,
  picture,
  setting,
  streamed,
  unlock,
  verdict,
  visit,
} from "./setting.mjs";

describe("chat", () => {
  test("ask, verify, edit, branch, try again", { timeout: 120_000 }, async () => {
    const page = await visit("/chat");
    await accessible(page);
    await picture(page, "chat-empty");
    await page.close();
    const chat = await chatWithKey();
    await askInChat(chat, "Say hello in one short sentence.");
    await answered(chat).waitFor();
    await chat.locator(".receipt-badge", { hasText: "verified" }).waitFor();
    assert.match(await chat.locator(".receipt-badge").textContent(), /0\.0000\d+ USDC/);
    await accessible(chat);
    await picture(chat, "chat");

    await chat.getByRole("button", { name: "Edit" }).click();
    await chat.getByLabel("Edit your question").fill("Say goodbye in one short sentence.");
    await chat.getByRole("button", { name: "Ask this instead" }).click();
    await chat.getByText("2 / 2").first().waitFor();
    await answered(chat).waitFor();
    await chat.getByRole("button", { name: "Previous version" }).first().click();
    await chat.locator(".question", { hasText: "Say hello" }).waitFor();
    await chat.getByRole("button", { name: "Try again" }).last().click();
    await answered(chat).waitFor();
    assert.equal(await chat.locator(".answer .branches").textContent(), "2 / 2");
    await chat.locator(".receipt-badge").click();
    await chat.waitForURL("**/receipts/req_*");
    await chat.close();
  });

  test("stopping leaves what came, and a receipt for it", { timeout: 120_000 }, async () => {
    const chat = await chatWithKey();
    await askInChat(chat, "Write a very long story about a lighthouse, with many chapters.");
    await chat.locator(".answer .markdown").waitFor();
    await chat.getByRole("button", { name: "Stop" }).click();
    await chat.getByText("Stopped.").waitFor();
    assert.ok((await chat.locator(".answer .markdown").textContent()).length > 0);
    await chat.locator(".receipt-badge", { hasText: "USDC" }).waitFor();
    assert.doesNotMatch(await chat.locator(".receipt-badge").textContent(), /does not hold/);
    await chat.close();
  });

  test("history and memory are kept encrypted, and only the wallet opens them", {
    timeout: 120_000,
  }, async () => {
    const chat = await chatWithKey();
    await unlock(chat);
    await askInChat(chat, "Remember that my dog is called Brunhilde.");
    await answered(chat).waitFor();
    await askInChat(chat, "What is my dog called?");
    // The model that finds facts in the first question may still be busy with that.
    await chat.getByText("1 remembered").first().waitFor({ timeout: 90_000 });
    await answered(chat).waitFor();
    await chat.waitForTimeout(1_500); // the vault writes a moment after the last change
    const kept = await chat.evaluate(async () => {
      const database = await new Promise((resolve) => {
        const opening = indexedDB.open("pinaivu-vault");
        opening.onsuccess = () => resolve(opening.result);
      });
      const all = await new Promise((resolve) => {
        const asked = database.transaction("boxes").objectStore("boxes").getAll();
        asked.onsuccess = () => resolve(asked.result);
      });
      const decoder = new TextDecoder();
      return {
        boxes: all.length,
        readable:
          all.some((box) => decoder.decode(box.data).includes("Brunhilde")) ||
          JSON.stringify(localStorage).includes("Brunhilde"),
      };
    });
    assert.ok(kept.boxes >= 3);
    assert.equal(kept.readable, false);
    await chat.reload();
    assert.equal(await chat.getByText("Brunhilde").count(), 0);
    await chat.getByRole("button", { name: "Unlock history" }).click();
    await chat.getByLabel("Search conversations").fill("brunhilde dog");
    await chat.getByRole("button", { name: "Remember that my dog", exact: false }).first().click();
    await chat.locator(".question", { hasText: "What is my dog called?" }).waitFor();
    await chat.getByRole("button", { name: "Memory (1)" }).click();
    await accessible(chat);
    await picture(chat, "chat-memory");
    // What a small model finds is its own affair; that it was asked and answered is ours.
    await chat.getByRole("button", { name: "Find facts in this conversation" }).click();
    await chat
      .getByText("It found none.")
      .or(chat.getByRole("button", { name: "Keep" }).first())
      .waitFor();
    await chat.getByRole("button", { name: "Forget: my dog" }).click();
    await chat.getByText("Nothing is remembered").waitFor();
    await chat.close();
  });

  test("a reload in the middle of an answer keeps what had come", { timeout: 90_000 }, async () => {
    const chat = await chatWithKey();
    await unlock(chat);
    await askInChat(chat, "Write a very long tale about a windmill, with many chapters and a moral.");
    await chat.locator(".answer .markdown").waitFor();
    await chat.waitForTimeout(1_200); // the vault writes while the answer comes
    await chat.reload();
    await chat.getByRole("button", { name: "Unlock history" }).click();
    await chat.getByRole("button", { name: "Write a very long tale", exact: false }).first().click();
    assert.ok((await chat.locator(".answer .markdown").textContent()).length > 0);
    await chat.getByRole("button", { name: "Try again" }).waitFor();
    await chat.close();
  });

  test("what a model writes cannot act as markup, and is drawn as markdown", {
    timeout: 60_000,
  }, async () => {
    const content = [
      '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>',
      "[click](javascript:globalThis.hacked=1) ![x](https://outside.invalid/pixel.png)",
      "",
      "| a | b |\n|---|---|\n| 1 | 2 |",
      "",
      "```js\nconst one = 1;\n```",
      "",
      "$$e^{i\\pi} + 1 = 0$$",
    ].join("\n");
    setting.stage.web.control.change = (path, body) =>
      path === "/v1/chat/completions"
        ? `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\ndata: [DONE]\n\n`
        : body;
    try {
      const chat = await chatWithKey();
      await askInChat(chat, "Attack me.");
      await answered(chat).locator("table").waitFor();
      await answered(chat).locator(".katex").first().waitFor();
      await answered(chat).locator("pre code.hljs").waitFor();
      assert.equal(await chat.evaluate(() => globalThis.hacked), undefined);
      assert.equal(await answered(chat).locator("img, script").count(), 0);
      assert.equal(await chat.locator('a[href^="javascript:"]').count(), 0);
      // The answer is not the one that was served, and the badge says so.
      await chat.locator(".receipt-badge", { hasText: "does not hold" }).waitFor();
      await accessible(chat);
      await picture(chat, "chat-markdown");
      await chat.close();
    } finally {
      setting.stage.web.control.change = null;
    }
  });

  test("a connection that breaks within an answer leaves what came, says so, and can be tried again", {
    timeout: 60_000,
  }, async () => {
    const chunk = { choices: [{ index: 0, delta: { content: "Once upon a time" } }] };
    const body = `data: ${JSON.stringify(chunk)}\n\n`;
    let breaks = () => undefined;
    const cut = new Promise((resolve) => {
      breaks = resolve;
    });
    const reply = (path) =>
      path === "/v1/chat/completions" ? { type: "text/event-stream", body, cut } : null;
    const chat = await chatWithKey();
    await misbehaving({ reply }, async () => {
      await askInChat(chat, "Say yes.");
      const came = chat.locator(".answer .markdown", { hasText: "Once upon a time" });
      await came.waitFor();
      breaks();
      await chat.getByText("The connection broke in the middle of the answer.").first().waitFor();
      await came.waitFor();
      await accessible(chat);
    });
    await chat.getByRole("button", { name: "Try again" }).click();
    await chat.locator(".receipt-badge", { hasText: "verified" }).waitFor();
    await chat.getByText("2 / 2").waitFor();
    await chat.close();
  });

  test("a wrong key and a coordinator that is down are said in words", { timeout: 60_000 }, async () => {
    const chat = await chatWithKey();
    setting.stage.web.control.down = true;
    try {
      await askInChat(chat, "Anybody there?");
      await chat.locator(".notice-text", { hasText: "The coordinator cannot be reached." }).waitFor();
    } finally {
      setting.stage.web.control.down = false;
    }
    await chat.evaluate(() => sessionStorage.setItem("pinaivu.chat.key", `sk-pnv-${"A".repeat(48)}`));
    await chat.reload();
    await askInChat(chat, "Anybody there?");
    await chat.locator(".notice.bad").waitFor();
    assert.match(await chat.locator(".notice.bad").textContent(), /key/i);
    await chat.close();
  });

  /** The network as it is, and other models beside. */
  const offering =
    (...models) =>
    (path, body) => {
      if (path !== "/v1/network") return body;
      const network = JSON.parse(body);
      const [first] = network.models;
      network.models = [...models.map((model) => ({ ...first, ...model })), ...network.models];
      return JSON.stringify(network);
    };

  test("models are chosen by price and speed, and an answer can be exported", {
    timeout: 90_000,
  }, async () => {
    await misbehaving({ change: offering({ id: "other-model", context_length: 4096 }) }, async () => {
      const chat = await chatWithKey();
      await chat.getByRole("button", { name: "Model: other-model" }).click();
      const real = chat.getByRole("menuitemradio", { name: setting.stage.ready.model });
      assert.match(await real.textContent(), /\d+\.\d\d+ \/ \d+\.\d\d+/);
      await real.getByText(/\d ms/).waitFor();
      await accessible(chat);
      await picture(chat, "chat-models");
      await chat.keyboard.press("End");
      await chat.keyboard.press("Enter");
      await chat.getByRole("button", { name: `Model: ${setting.stage.ready.model}` }).waitFor();
      await askInChat(chat, "Say yes.");
      await answered(chat).waitFor();
      const [download] = await Promise.all([
        chat.waitForEvent("download"),
        chat.getByRole("button", { name: "Export as Markdown" }).click(),
      ]);
      const text = await readFile(await download.path(), "utf8");
      assert.match(text, /^# Say yes\.\n/);
      assert.match(text, /\*Receipt: req_[0-9a-f]{32}\*/);
      await chat.close();
    });
  });

  test("pictures go to models that take them, made small, and to no others", {
    timeout: 90_000,
  }, async () => {
    const plain = await chatWithKey();
    assert.equal(await plain.getByRole("button", { name: "Attach a picture" }).count(), 0);
    await plain.close();
    let sent = null;
    const reply = (path, body) => {
      if (path !== "/v1/chat/completions") return null;
      sent = JSON.parse(body);
      return streamed("A red square.");
    };
    const change = offering({ id: "sees", features: ["chat", "images"] });
    await misbehaving({ change, reply }, async () => {
      const chat = await chatWithKey();
      // A picture larger than what is sent, drawn by the browser itself.
      const picked = await chat.evaluate(async () => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 3000, height: 1500 });
        const context = canvas.getContext("2d");
        context.fillStyle = "#d02030";
        context.fillRect(0, 0, 3000, 1500);
        const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
        return [...new Uint8Array(await blob.arrayBuffer())];
      });
      await chat
        .getByLabel("Pictures to attach")
        .setInputFiles({ name: "red.png", mimeType: "image/png", buffer: Buffer.from(picked) });
      await chat.getByAltText("Attachment 1").waitFor();
      await accessible(chat);
      await askInChat(chat, "What is this?");
      await answered(chat).getByText("A red square.").waitFor();
      const [text, image] = sent.messages.at(-1).content;
      assert.deepEqual(text, { type: "text", text: "What is this?" });
      assert.match(image.image_url.url, /^data:image\/jpeg;base64,/);
      const size = await chat.evaluate(async (url) => {
        const picture = Object.assign(new Image(), { src: url });
        await picture.decode();
        return [picture.naturalWidth, picture.naturalHeight];
      }, image.image_url.url);
      assert.deepEqual(size, [1024, 512]);
      await chat.getByAltText("Attachment 1 of your question").waitFor();
      await accessible(chat);
      await picture(chat, "chat-picture");
      await chat
        .getByLabel("Pictures to attach")
        .setInputFiles({ name: "no.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
      await chat.getByRole("alert").getByText("That is no picture this browser can read").waitFor();
      await chat.close();
    });
  });

  test("memories are recalled by meaning where the network embeds, and can be switched off", {
    timeout: 90_000,
  }, async () => {
    const embedded = [];
    let asked = null;
    const reply = (path, body) => {
      const request = JSON.parse(body || "{}");
      if (path === "/v1/embeddings") {
        embedded.push(request);
        const data = request.input.map((text, index) => ({
          index,
          embedding: /brunhilde|animal/i.test(text) ? [1, 0.1] : [0.1, 1],
        }));
        return json({ object: "list", data, usage: { prompt_tokens: 1, total_tokens: 1 } });
      }
      if (path !== "/v1/chat/completions") return null;
      asked = request;
      return streamed("Noted.");
    };
    const change = offering({ id: "embedder", features: ["embeddings"] });
    await misbehaving({ change, reply }, async () => {
      const chat = await chatWithKey();
      // A model that only embeds is not offered to talk to.
      await chat.getByRole("button", { name: `Model: ${setting.stage.ready.model}` }).waitFor();
      await askInChat(chat, "Remember that my dog is called Brunhilde.");
      await answered(chat).waitFor();
      await askInChat(chat, "Which animals live with us?");
      await chat.getByRole("button", { name: "1 remembered" }).click();
      await chat.getByText("my dog is called Brunhilde", { exact: true }).waitFor();
      await accessible(chat);
      assert.match(asked.messages[0].content, /Brunhilde/);
      assert.equal(embedded.at(-1).model, "embedder");
      await chat.keyboard.press("Escape");
      // The answer before this one is already there: what counts is what is asked now.
      const sent = () => chat.waitForResponse((response) => response.url().endsWith("/v1/chat/completions"));
      let next = sent();
      await askInChat(chat, "What is seven times eight?");
      await next;
      await answered(chat).waitFor();
      assert.equal(JSON.stringify(asked.messages[0]).includes("What the person asked"), false);
      // A memory is placed once; after that only questions are.
      assert.equal(embedded.at(-1).input.length, 1);
      await chat.getByRole("button", { name: "Memory (1)" }).click();
      await chat.getByLabel("Use memory in answers").uncheck();
      await chat.getByRole("button", { name: "Close" }).click();
      await chat.getByRole("button", { name: "Memory off" }).waitFor();
      const before = embedded.length;
      next = sent();
      await askInChat(chat, "And which animals?");
      await next;
      await answered(chat).waitFor();
      assert.equal(embedded.length, before);
      assert.equal(JSON.stringify(asked.messages).includes("What the person asked"), false);
      await chat.evaluate(() => localStorage.removeItem("pinaivu.chat.memory"));
      await chat.close();
    });
  });

  test("memories are placed by embeddings that a node served, was paid for, and has receipts of", {
    timeout: 180_000,
  }, async () => {
    const facts = [
      "my dog is called Brunhilde",
      "I work as a nurse at the city hospital",
      "I am allergic to peanuts and shellfish",
      "my sister lives in Lisbon with her husband",
      "I play the cello in an orchestra on Thursdays",
      "I write Rust and Python for a living",
    ];
    const { ready } = setting.stage;
    const chat = await chatWithKey();
    const calls = [];
    chat.on("response", async (response) => {
      if (!response.url().endsWith("/v1/embeddings")) return;
      const id = response.headers()["x-request-id"];
      calls.push({ id, input: response.request().postDataJSON().input, answer: await response.json() });
    });
    await chat.getByRole("button", { name: "Memory", exact: true }).click();
    await chat.getByText(`by meaning (${ready.model})`).waitFor();
    for (const fact of facts) {
      await chat.getByLabel("Something to remember").fill(fact);
      await chat.getByRole("button", { name: "Remember", exact: true }).click();
      await chat.getByRole("button", { name: `Forget: ${fact}` }).waitFor();
    }
    await chat.getByRole("button", { name: "Close" }).click();
    // Not one word of it is in any of the facts.
    await askInChat(chat, "Recommend a snack without nuts.");
    await answered(chat).waitFor({ timeout: 60_000 });
    await chat.getByRole("button", { name: /^\d remembered$/ }).click();
    const used = chat.getByLabel("Sent along with the question");
    await used.getByText("I am allergic to peanuts and shellfish", { exact: true }).waitFor();
    assert.equal(await used.getByText("Brunhilde").count(), 0);
    await chat.keyboard.press("Escape");
    assert.equal(calls.length, 1);
    const [{ id, input, answer }] = calls;
    assert.deepEqual([...input].sort(), ["Recommend a snack without nuts.", ...facts].sort());
    assert.deepEqual(
      answer.data.map(({ embedding }) => embedding.length),
      Array.from({ length: 7 }, () => 576),
    );
    await chat.close();
    // Paid and receipted like any answer.
    const page = await visit(`/receipts/${id}`);
    await page.getByPlaceholder("The completion as JSON").fill(JSON.stringify(answer));
    await page.getByRole("button", { name: "Check against the commitments" }).click();
    await page.getByText("This receipt holds").waitFor();
    for (const name of ["Coordinator's signature", "Node's signature", "Your answer"])
      assert.match(await verdict(page, name).getAttribute("class"), /passed/, name);
    await page.close();
  });

  test("what a person says of themselves is kept, and shown where it was said", {
    timeout: 90_000,
  }, async () => {
    const looked = [];
    const reply = (path, body) => {
      if (path !== "/v1/chat/completions") return null;
      const { messages } = JSON.parse(body);
      if (!messages[0].content.startsWith("List lasting facts")) return streamed("How nice.");
      looked.push(messages.at(-1).content);
      return streamed("- Plays the cello");
    };
    await misbehaving({ reply }, async () => {
      const chat = await chatWithKey();
      await chat.evaluate(() => localStorage.setItem("pinaivu.chat.learn", "on"));
      await chat.reload();
      await unlock(chat);
      await askInChat(chat, "What is the tallest tree?");
      await answered(chat).waitFor();
      await askInChat(chat, "In the evenings I play the cello.");
      await chat.getByRole("button", { name: "1 kept" }).click();
      await chat.getByText("Plays the cello", { exact: true }).waitFor();
      // A question that says nothing of anybody costs no second one.
      assert.deepEqual(looked, ["In the evenings I play the cello."]);
      await chat.getByRole("button", { name: "All memories" }).click();
      await chat.getByRole("button", { name: "Forget: Plays the cello" }).click();
      await chat.evaluate(() => localStorage.setItem("pinaivu.chat.learn", "off"));
      await chat.close();
    });
  });
});
