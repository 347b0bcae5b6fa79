/** Which model answers, each with what it costs and how fast it is right now. */
import { DropdownMenu } from "radix-ui";
import { type Model, type NodeInfo, useNodeList } from "../../entities/coordinator.ts";
import { count, usdc } from "../../shared/format.ts";
import { Icon } from "../../shared/icons.tsx";

/** The price of a million tokens in and out at the lowest ask; nothing when there is none. */
export function priceOf({ pricing }: Model): { input: string; output: string } | null {
  const { lowest_ask, input_weight, output_weight } = pricing;
  if (lowest_ask === null) return null;
  return {
    input: usdc(BigInt(lowest_ask) * BigInt(input_weight)),
    output: usdc(BigInt(lowest_ask) * BigInt(output_weight)),
  };
}

/** The best medians among the nodes that offer a model, as the coordinator measured them. */
export function speedOf(
  model: string,
  nodes: readonly NodeInfo[],
): { first: number; perSecond: number | null } | null {
  const measured = nodes.flatMap((node) =>
    node.connected && node.asks.some((ask) => ask.model === model) && node.measured ? [node.measured] : [],
  );
  const firsts = measured.flatMap(({ first_token_ms_p50 }) => first_token_ms_p50 ?? []);
  if (firsts.length === 0) return null;
  const speeds = measured.flatMap(({ tokens_per_second_p50 }) => tokens_per_second_p50 ?? []);
  return { first: Math.min(...firsts), perSecond: speeds.length ? Math.max(...speeds) : null };
}

const speedWords = (speed: ReturnType<typeof speedOf>): string =>
  speed === null
    ? "speed not measured yet"
    : `${count(speed.first)} ms${speed.perSecond === null ? "" : ` · ${count(Math.round(speed.perSecond))} tokens/s`}`;

export function ModelPicker({
  models,
  chosen,
  onChoose,
}: {
  models: readonly Model[];
  chosen: Model | undefined;
  onChoose: (id: string) => void;
}) {
  const nodes = useNodeList().data?.data ?? [];
  if (!chosen) return <span className="quiet">No model is offered right now</span>;
  const price = priceOf(chosen);
  return (
    <div className="model-picker">
      <DropdownMenu.Root modal={false}>
        <DropdownMenu.Trigger className="model-button" aria-label={`Model: ${chosen.id}`}>
          <span className="mono">{chosen.id}</span>
          <Icon name="down" />
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal container={document.getElementById("content")}>
          <DropdownMenu.Content className="menu" align="start" sideOffset={6} collisionPadding={8}>
            <DropdownMenu.RadioGroup value={chosen.id} onValueChange={onChoose}>
              {models.map((model) => {
                const cost = priceOf(model);
                return (
                  <DropdownMenu.RadioItem key={model.id} value={model.id} className="menu-item">
                    <span className="menu-check">
                      <DropdownMenu.ItemIndicator>
                        <Icon name="check" />
                      </DropdownMenu.ItemIndicator>
                    </span>
                    <span className="menu-main">
                      <span className="mono">{model.id}</span>
                      <span className="quiet">
                        {count(model.context_length)} context · {model.nodes} node
                        {model.nodes === 1 ? "" : "s"}
                        {model.features.includes("images") && " · takes pictures"}
                      </span>
                    </span>
                    <span className="menu-side">
                      <span className="number">{cost ? `${cost.input} / ${cost.output}` : "no ask"}</span>
                      <span className="quiet">{speedWords(speedOf(model.id, nodes))}</span>
                    </span>
                  </DropdownMenu.RadioItem>
                );
              })}
            </DropdownMenu.RadioGroup>
            <p className="menu-note">USDC for a million tokens, in / out; first token and speed, best node</p>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
      <span className="quiet price-now">
        {price ? `${price.input} in · ${price.output} out, USDC a million tokens` : "no ask"} ·{" "}
        {speedWords(speedOf(chosen.id, nodes))}
      </span>
    </div>
  );
}
