/** The journeys of people through the application, in a real browser on a real network. */
import { begin } from "./setting.mjs";

begin();
await import("./explorer.mjs");
await import("./attestation.mjs");
await import("./console.mjs");
await import("./operator.mjs");
await import("./chat.mjs");
await import("./devices.mjs");
await import("./application.mjs");
if (process.env.PINAIVU_RECORD) await import("./gallery.mjs");
