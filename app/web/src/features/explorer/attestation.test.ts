import { expect, test } from "vitest";
import { standingOf } from "./attestation.tsx";

const none = "00".repeat(32);
const registered = "ab".repeat(32);

test("nothing short of the registered measurement is called good", () => {
  expect(standingOf(null, registered).tone).toBe("wait");
  expect(standingOf({ attested: false, measurement: registered }, registered).tone).toBe("wait");
  expect(standingOf({ measurement: registered }, registered).tone).toBe("wait");
  expect(standingOf({ attested: true, measurement: registered }, none).tone).toBe("wait");
  expect(standingOf({ attested: true, measurement: "cd".repeat(32) }, registered).tone).toBe("bad");
  expect(standingOf({ attested: true }, registered).tone).toBe("bad");
  expect(standingOf({ attested: true, measurement: registered.toUpperCase() }, registered).tone).toBe("good");
});
