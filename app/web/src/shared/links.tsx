/** Ids that lead to their pages. */
import { Link } from "@tanstack/react-router";
import { short } from "./format.ts";
import { Copy } from "./ui.tsx";

type To = "/receipts/$id" | "/nodes/$id" | "/transactions/$id" | "/wallets/$id";

export function Id({
  to,
  id,
  full = false,
  copy = false,
  label,
}: {
  to?: To;
  id: string;
  full?: boolean;
  copy?: boolean;
  label?: string;
}) {
  const text = label ?? (full ? id : short(id));
  return (
    <span className="id" title={id}>
      {to ? (
        <Link to={to} params={{ id }}>
          {text}
        </Link>
      ) : (
        <span>{text}</span>
      )}
      {copy && <Copy text={id} label={id} />}
    </span>
  );
}
