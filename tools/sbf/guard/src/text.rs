//! Formatting, parsing and searching text.

use crate::trace::Trace;

pub(crate) fn run(trace: &mut Trace) {
    for _ in 0..4 {
        let value = trace.next();
        let letter = char::from(b'a' + (value % 26) as u8);
        let line = format!(
            "{value:>25}|{value:<22x}|{:#018b}|{:+}|{letter:?}|{:08.3}|{}",
            value as u16,
            value as i32,
            (value % 1000) as f64 / 8.0,
            value as i64
        );
        trace.see_text(&line);
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        trace.see_option(fields.first().and_then(|field| field.parse().ok()));
        trace.see_option(
            fields.last().and_then(|field| field.parse::<i64>().ok()).map(|value| value as u64),
        );
        trace.see_text(&fields.join("é€").to_uppercase().replace('É', "xx"));
        for (position, letter) in line.char_indices().rev().step_by(5) {
            trace.see(position as u64);
            trace.see(u32::from(letter).into());
        }
        trace.see_option(line.find("|+").map(|position| position as u64));
    }
    for broken in ["12x", "", "-", "99999999999999999999"] {
        if let Err(error) = broken.parse::<i32>() {
            trace.see_text(&error.to_string());
        }
    }
}
