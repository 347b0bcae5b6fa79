/** Where a question is written, with pictures for models that take them. */
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import type { Model } from "../../entities/coordinator.ts";
import { Icon } from "../../shared/icons.tsx";
import { IconButton } from "../../shared/ui.tsx";
import { MOST_IMAGES, pictureOf, picturesIn } from "./images.ts";
import type { ChatState } from "./use-chat.ts";

export function Composer({
  chat,
  ready,
  model,
}: {
  chat: ChatState;
  ready: boolean;
  model: Model | undefined;
}) {
  const [text, setText] = useState("");
  const [images, setImages] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const lines = Math.min(8, text.split("\n").length);
  const takesImages = model?.features.includes("images") ?? false;
  const send = () => {
    const question = text.trim();
    if (!question || !ready || chat.busy) return;
    setText("");
    setImages([]);
    chat.ask(question, takesImages ? images : []);
  };
  const attach = async (files: readonly File[]) => {
    if (files.length === 0) return;
    if (!takesImages) return setProblem(`${model?.id ?? "This model"} takes no pictures.`);
    try {
      const made = await Promise.all(files.map(pictureOf));
      const all = [...images, ...made];
      setProblem(all.length > MOST_IMAGES ? `At most ${MOST_IMAGES} pictures with one question.` : null);
      setImages(all.slice(0, MOST_IMAGES));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "It could not be read.");
    }
  };
  useEffect(() => {
    const key = (event: globalThis.KeyboardEvent) => {
      if (event.key === "Escape" && chat.busy) chat.stop();
    };
    window.addEventListener("keydown", key);
    return () => window.removeEventListener("keydown", key);
  }, [chat.busy, chat.stop]);
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  };
  return (
    <form
      className={`composer ${over ? "over" : ""}`}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void attach(picturesIn(event.dataTransfer));
      }}
    >
      {images.length > 0 && (
        <ul className="attached" aria-label="Attached pictures">
          {images.map((image, at) => (
            <li key={image.slice(-64) + String(at)}>
              <img src={image} alt={`Attachment ${at + 1}`} />
              <IconButton
                icon="close"
                label={`Remove attachment ${at + 1}`}
                onClick={() => setImages(images.filter((_, other) => other !== at))}
              />
            </li>
          ))}
        </ul>
      )}
      {problem && (
        <p className="field-about wrong" role="alert">
          {problem}
        </p>
      )}
      <div className="composer-box">
        {takesImages && (
          <>
            <IconButton
              icon="image"
              label="Attach a picture"
              className="attach"
              onClick={() => picker.current?.click()}
            />
            <input
              ref={picker}
              className="unseen"
              type="file"
              accept="image/*"
              multiple
              tabIndex={-1}
              aria-label="Pictures to attach"
              onChange={(event) => {
                void attach([...(event.target.files ?? [])]);
                event.target.value = "";
              }}
            />
          </>
        )}
        <textarea
          rows={lines}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setProblem(null);
          }}
          onKeyDown={pressed}
          onPaste={(event) => {
            const pictures = picturesIn(event.clipboardData);
            if (pictures.length === 0) return;
            event.preventDefault();
            void attach(pictures);
          }}
          aria-label="Your question"
          placeholder={model ? `Ask ${model.id}` : "Waiting for a model"}
        />
        {chat.busy ? (
          <button type="button" className="send" aria-label="Stop" onClick={chat.stop}>
            <span className="stop-square" aria-hidden />
          </button>
        ) : (
          <button type="submit" className="send" aria-label="Send" disabled={!ready || !text.trim()}>
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}
