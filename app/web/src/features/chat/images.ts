/** Pictures that go with a question: made small enough to send, and without what the file said of itself. */

/** Longest side, in pixels: more is thrown away by models anyway. */
const SIDE = 1_024;
/** Most pictures with one question. */
export const MOST_IMAGES = 4;

/** Width and height that fit into `side`, never larger than they are. */
export function fitted(width: number, height: number, side = SIDE): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height, 1));
  return {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
}

/** A picture file as a JPEG data URL. Rejects for what the browser cannot draw. */
export async function pictureOf(file: Blob): Promise<string> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("That is no picture this browser can read.");
  });
  const { width, height } = fitted(bitmap.width, bitmap.height);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser cannot draw pictures.");
  // What is transparent would be black in a JPEG.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", 0.85);
}

/** The pictures among what was dropped or pasted. */
export const picturesIn = (items: DataTransfer | null): File[] =>
  [...(items?.files ?? [])].filter((file) => file.type.startsWith("image/"));
