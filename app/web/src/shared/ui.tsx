/** The pieces that pages are made of. */
import { Dialog as RadixDialog, Tooltip as RadixTooltip } from "radix-ui";
import {
  type ButtonHTMLAttributes,
  type InputHTMLAttributes,
  type ReactNode,
  useEffect,
  useId,
  useState,
} from "react";
import { Icon, type IconName } from "./icons.tsx";

export function Button({
  tone = "plain",
  icon,
  busy = false,
  children,
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & {
  tone?: "primary" | "plain" | "quiet" | "danger";
  icon?: IconName;
  busy?: boolean;
}) {
  return (
    <button
      type="button"
      {...rest}
      className={`button ${tone} ${rest.className ?? ""}`}
      disabled={rest.disabled || busy}
      aria-busy={busy}
    >
      {busy ? <span className="spinner" aria-hidden /> : icon ? <Icon name={icon} /> : null}
      {children}
    </button>
  );
}

export function IconButton({
  icon,
  label,
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { icon: IconName; label: string }) {
  return (
    <Tip text={label}>
      <button type="button" {...rest} className={`icon-button ${rest.className ?? ""}`} aria-label={label}>
        <Icon name={icon} />
      </button>
    </Tip>
  );
}

export function Tip({ text, children }: { text: ReactNode; children: ReactNode }) {
  return (
    <RadixTooltip.Root>
      <RadixTooltip.Trigger asChild>{children}</RadixTooltip.Trigger>
      <RadixTooltip.Portal>
        <RadixTooltip.Content className="tip" sideOffset={6} collisionPadding={8}>
          {text}
        </RadixTooltip.Content>
      </RadixTooltip.Portal>
    </RadixTooltip.Root>
  );
}

export type Tone = "good" | "bad" | "wait" | "neutral" | "accent";

export function Badge({
  tone = "neutral",
  icon,
  children,
}: {
  tone?: Tone;
  icon?: IconName;
  children: ReactNode;
}) {
  return (
    <span className={`badge ${tone}`}>
      {icon && <Icon name={icon} />}
      {children}
    </span>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      className="copy"
      aria-label={copied ? "Copied" : `Copy ${label}`}
      onClick={() =>
        navigator.clipboard.writeText(text).then(
          () => setCopied(true),
          () => setCopied(false),
        )
      }
    >
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

export function Card({
  title,
  about,
  action,
  children,
  className = "",
}: {
  title?: ReactNode;
  about?: ReactNode;
  action?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <section className={`card ${className}`}>
      {(title || action) && (
        <header className="card-head">
          <div>
            {title && <h2>{title}</h2>}
            {about && <p className="about">{about}</p>}
          </div>
          {action}
        </header>
      )}
      {children}
    </section>
  );
}

/** Names and values. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="facts">{children}</dl>;
}

export function Fact({ name, children, help }: { name: string; children: ReactNode; help?: string }) {
  return (
    <div className="fact">
      <dt>
        {name}
        {help && (
          <Tip text={help}>
            <button type="button" className="help" aria-label={`What is ${name}?`}>
              ?
            </button>
          </Tip>
        )}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Figure({
  name,
  value,
  unit,
  note,
}: {
  name: string;
  value: ReactNode;
  unit?: string;
  note?: ReactNode;
}) {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>
        <span className="figure-value">{value}</span>
        {unit && <span className="figure-unit"> {unit}</span>}
      </dd>
      {note && <dd className="figure-note">{note}</dd>}
    </div>
  );
}

export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, at) => (
        <span key={String(at)} style={{ width: `${92 - ((at * 23) % 40)}%` }} />
      ))}
    </div>
  );
}

/** Nothing to show, with why and what can be done. */
export function Notice({
  tone = "neutral",
  icon = "info",
  title,
  children,
  action,
}: {
  tone?: Tone;
  icon?: IconName;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : undefined}>
      <Icon name={icon} />
      <div>
        <p className="notice-title">{title}</p>
        {children && <div className="notice-text">{children}</div>}
        {action && <div className="notice-action">{action}</div>}
      </div>
    </div>
  );
}

export function Field({
  label,
  help,
  error,
  suffix,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & {
  label: string;
  help?: ReactNode;
  error?: string | null;
  suffix?: ReactNode;
}) {
  const id = useId();
  return (
    <div className={`field ${error ? "wrong" : ""}`}>
      <label htmlFor={id}>{label}</label>
      <div className="field-box">
        <input
          id={id}
          autoComplete="off"
          spellCheck={false}
          {...rest}
          aria-invalid={Boolean(error)}
          aria-describedby={`${id}-about`}
        />
        {suffix && <span className="field-suffix">{suffix}</span>}
      </div>
      <p id={`${id}-about`} className="field-about">
        {error ?? help}
      </p>
    </div>
  );
}

/** A table that scrolls by itself where the screen is narrow, by keyboard too. */
export function TableBox({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <div className="table-box" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

/** The browser's chooser of files, behind a button like the others. Its text is the input's name. */
export function FileButton({ children, onFile }: { children: ReactNode; onFile: (file: File) => void }) {
  return (
    <label className="file-button">
      <Icon name="file" /> {children}
      <input
        type="file"
        accept="application/json,.json"
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          if (file) onFile(file);
          // So that the same file can be chosen again.
          event.target.value = "";
        }}
      />
    </label>
  );
}

export function Dialog({
  open,
  onOpenChange,
  title,
  about,
  children,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  about?: ReactNode;
  children: ReactNode;
}) {
  return (
    <RadixDialog.Root open={open} onOpenChange={onOpenChange}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="overlay" />
        <RadixDialog.Content className="dialog" aria-describedby={undefined}>
          <header className="dialog-head">
            <RadixDialog.Title>{title}</RadixDialog.Title>
            <RadixDialog.Close asChild>
              <button type="button" className="icon-button" aria-label="Close">
                <Icon name="close" />
              </button>
            </RadixDialog.Close>
          </header>
          {about && <p className="about">{about}</p>}
          {children}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

/** The time, again every `every` milliseconds. */
export function useNow(every = 1_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** Sets the page's title. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Pinaivu`;
  }, [title]);
}
