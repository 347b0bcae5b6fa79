//! How an episode came to be: seeds, and for how many steps each was followed. A recipe leads to the same
//! episode in every run, so it is what is kept of a discovery, and what a failure prints.

use std::fmt;
use std::str::FromStr;

use super::episode::{Episode, Start};

/// Seeds with steps, `SEED:STEPS` joined by `+`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recipe(pub(super) Vec<(u64, u32)>);

impl Recipe {
    /// The same with another seed after it.
    pub(super) fn then(&self, seed: u64, steps: u32) -> Self {
        let mut parts = self.0.clone();
        parts.push((seed, steps));
        Self(parts)
    }

    /// Runs it all, and lets everybody leave.
    pub(super) fn run(&self, start: &Start) -> Episode {
        let mut episode = Episode::new(start);
        for (number, (seed, steps)) in self.0.iter().enumerate() {
            episode.seed(*seed, Self(self.0[..=number].to_vec()).to_string());
            for _ in 0..*steps {
                episode.step();
            }
        }
        episode.leave();
        episode
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().map(|(seed, steps)| format!("{seed}:{steps}")).collect();
        f.write_str(&parts.join("+"))
    }
}

impl FromStr for Recipe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let (seed, steps) = part.split_once(':')?;
            Some((seed.parse().ok()?, steps.parse().ok()?))
        };
        let parts: Option<Vec<(u64, u32)>> = text.split('+').map(part).collect();
        parts.map(Self).ok_or_else(|| format!("{text} is not SEED:STEPS, joined by +"))
    }
}

#[test]
fn recipe_reads_as_it_is_written() {
    let recipe = Recipe::default().then(1, 340).then(u64::MAX, 0);
    assert_eq!(recipe.to_string(), "1:340+18446744073709551615:0");
    assert_eq!(recipe.to_string().parse(), Ok(recipe));
    for bad in ["", "1", "1:", "1:2+", "a:2", "1:2+3"] {
        assert!(bad.parse::<Recipe>().is_err(), "{bad}");
    }
}
