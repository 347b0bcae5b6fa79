/** Ready to paste. */
import { Tabs } from "radix-ui";
import { useState } from "react";
import { useNetwork } from "../../entities/coordinator.ts";
import { looksLikeKey } from "../../entities/keys.ts";
import { Card, Copy, Field } from "../../shared/ui.tsx";

const snippets = (endpoint: string, model: string, key: string) => ({
  curl: `curl ${endpoint}/chat/completions \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'Content-Type: application/json' \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'`,
  Python: `from openai import OpenAI

client = OpenAI(base_url="${endpoint}", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.choices[0].message.content)
print(answer.request_id)  # the receipt`,
  Node: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${endpoint}", apiKey: "${key}" });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Say hello." }],
});
console.log(answer.choices[0].message.content);
console.log(answer.request_id); // the receipt`,
});

export function Snippets() {
  const { data } = useNetwork();
  const [key, setKey] = useState("");
  const given = key.trim();
  const all = snippets(data?.endpoint ?? "https://…/v1", data?.models[0]?.id ?? "MODEL", given || "sk-pnv-…");
  return (
    <Card
      title="Use it from your code"
      about="Any OpenAI client works: set base URL and key, change nothing else"
    >
      <Field
        label="Your key"
        value={key}
        onChange={(event) => setKey(event.target.value)}
        placeholder="sk-pnv-…"
        type="password"
        error={given && !looksLikeKey(given) ? "That does not look like a key of this network" : null}
        help="Filled into the snippets on this page only; it is not sent or kept"
      />
      <Tabs.Root defaultValue="curl" className="tabs small">
        <Tabs.List className="tab-list" aria-label="Language">
          {Object.keys(all).map((name) => (
            <Tabs.Trigger key={name} value={name}>
              {name}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        {Object.entries(all).map(([name, code]) => (
          <Tabs.Content key={name} value={name}>
            <div className="snippet">
              <Copy text={code} label={`the ${name} snippet`} />
              {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
              <pre tabIndex={0}>{code}</pre>
            </div>
          </Tabs.Content>
        ))}
      </Tabs.Root>
    </Card>
  );
}
