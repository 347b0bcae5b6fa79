/** Checks that were made here, one line each, with what was found. */
import type { Verdict } from "@pinaivu/verify";
import { Icon, type IconName } from "../../shared/icons.tsx";

const icons: Record<Verdict, IconName> = { passed: "check", failed: "cross", not_checked: "minus" };

const words: Record<Verdict, string> = {
  passed: "Passed",
  failed: "Failed",
  not_checked: "Not checked",
};

export interface Line {
  readonly key: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly detail: string;
}

export function CheckList({ lines }: { lines: readonly Line[] }) {
  return (
    <ol className="checks">
      {lines.map(({ key, name, verdict, detail }) => (
        <li key={key} className={`check ${verdict}`}>
          <Icon name={icons[verdict]} />
          <div>
            <p className="check-name">
              {name}
              <span className="check-verdict">{words[verdict]}</span>
            </p>
            <p className="check-detail">{detail}</p>
          </div>
        </li>
      ))}
    </ol>
  );
}
