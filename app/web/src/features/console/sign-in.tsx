/** In place of what only a signed-in wallet sees. */
import type { ReactNode } from "react";
import { useSession } from "../../entities/account.tsx";
import { useNetwork } from "../../entities/coordinator.ts";
import { Button, Notice } from "../../shared/ui.tsx";

export function SignIn({ children }: { children: ReactNode }) {
  const { signIn } = useSession();
  const network = useNetwork();
  return (
    <>
      <Notice
        icon="lock"
        title="Sign in with your wallet"
        action={
          <Button icon="key" busy={signIn.busy} disabled={!network.data} onClick={signIn.run}>
            Sign in
          </Button>
        }
      >
        {children} It is a signature, not a transaction: it moves no money, and ends with this tab.
      </Notice>
      {signIn.error && (
        <Notice tone="bad" icon="warn" title="Not signed in">
          {signIn.error.message}
        </Notice>
      )}
    </>
  );
}
