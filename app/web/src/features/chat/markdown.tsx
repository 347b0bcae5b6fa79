/**
 * What a model wrote, as text with code, tables and maths. Markup in it stays text: HTML is not
 * interpreted, and images are links, so that an answer can fetch nothing by itself.
 */
import "katex/dist/katex.min.css";
import "highlight.js/styles/github.css";
import { type ReactNode, useRef } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeHighlight from "rehype-highlight";
import rehypeKatex from "rehype-katex";
import remarkGfm from "remark-gfm";
import remarkMath from "remark-math";
import { Icon } from "../../shared/icons.tsx";
import { TableBox } from "../../shared/ui.tsx";

function Code({ children }: { children?: ReactNode }) {
  const block = useRef<HTMLPreElement>(null);
  return (
    <div className="code-block">
      <button
        type="button"
        className="copy"
        aria-label="Copy the code"
        onClick={() => void navigator.clipboard.writeText(block.current?.textContent ?? "")}
      >
        <Icon name="copy" />
      </button>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <pre ref={block} tabIndex={0}>
        {children}
      </pre>
    </div>
  );
}

const components: Components = {
  pre: ({ children }) => <Code>{children}</Code>,
  // An address that was refused, such as javascript:, is empty here: then it is only its text.
  a: ({ href, children }) =>
    href ? (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  img: ({ src, alt }) => (
    <a href={typeof src === "string" ? src : undefined} target="_blank" rel="noopener noreferrer nofollow">
      {alt || "image"}
    </a>
  ),
  table: ({ children }) => (
    <TableBox label="Table">
      <table className="table">{children}</table>
    </TableBox>
  ),
};

export default function Markdown({ text }: { text: string }) {
  return (
    <div className="markdown">
      <ReactMarkdown
        remarkPlugins={[remarkGfm, remarkMath]}
        rehypePlugins={[
          [rehypeKatex, { throwOnError: false, trust: false, maxExpand: 100 }],
          [rehypeHighlight, { detect: false }],
        ]}
        components={components}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
}
