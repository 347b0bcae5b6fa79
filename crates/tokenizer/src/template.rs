//! Chat templates: Jinja as Hugging Face's `transformers` runs it.

use minijinja::value::Kwargs;
use minijinja::{Environment, ErrorKind, Value, context};
use serde_json::Value as Json;

/// The name a template is kept under.
const NAME: &str = "chat";

/// Steps a template may take for each message and byte of content: no template of a model needs more, and
/// none can keep a processor busy.
const FUEL: u64 = 10_000_000;

/// Texts of the tokens that begin and end a conversation, which templates name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) begin: Option<String>,
    pub(crate) end: Option<String>,
}

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
    marks: Marks,
}

impl Template {
    pub(crate) fn compile(text: String, marks: Marks) -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        // Templates call methods of Python's strings and dictionaries.
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", refuse);
        environment.add_function("strftime_now", date);
        environment.add_template_owned(NAME, text)?;
        Ok(Self { environment, marks })
    }

    /// The text a conversation becomes. Nothing where its content is more than text, or the template
    /// refuses it.
    pub(crate) fn render(&self, messages: &Json) -> Option<String> {
        let messages = plain(messages)?;
        let template = self.environment.get_template(NAME).ok()?;
        let rendered = template.render(context! {
            messages => Value::from_serialize(&messages),
            add_generation_prompt => true,
            bos_token => self.marks.begin.as_deref().unwrap_or_default(),
            eos_token => self.marks.end.as_deref().unwrap_or_default(),
        });
        rendered.ok()
    }
}

/// Roles and texts alone; parts of text are joined, as servers do for templates that know no parts.
fn plain(messages: &Json) -> Option<Vec<Json>> {
    messages
        .as_array()?
        .iter()
        .map(|message| {
            let role = message.get("role")?.as_str()?;
            let text = match message.get("content")? {
                Json::String(text) => text.clone(),
                Json::Array(parts) => parts
                    .iter()
                    .map(|part| part.get("text")?.as_str())
                    .collect::<Option<Vec<_>>>()?
                    .join("\n"),
                _ => return None,
            };
            let other =
                ["tool_calls", "function_call", "tool_call_id", "audio", "reasoning_content"];
            let is_said = |name: &&str| message.get(*name).is_some_and(|value| !value.is_null());
            if other.iter().any(is_said) {
                return None;
            }
            Some(serde_json::json!({ "role": role, "content": text }))
        })
        .collect()
}

fn refuse(message: String, _: Kwargs) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
}

/// A date is as many tokens as another of the same form.
fn date(format: &str) -> String {
    let known = [("%d", "26"), ("%b", "Jul"), ("%B", "January"), ("%Y", "2024"), ("%m", "07")];
    known.iter().fold(format.to_owned(), |text, (name, value)| text.replace(name, value))
}
