//! A measured number with its goal, and the tables made of them: for the terminal, for programs, for the README.
use serde_json::{Map, Value, json};
use std::{fmt::Write, fs};

/// What a number should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// There is none.
    None,
    /// Not more.
    AtMost(f64),
    /// Not less.
    AtLeast(f64),
}

impl Goal {
    /// Tells whether a value reaches the goal.
    pub fn reached(self, value: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::AtMost(most) => format!("≤ {}{}", shown(most), spaced(unit)),
            Self::AtLeast(least) => format!("≥ {}{}", shown(least), spaced(unit)),
        }
    }
}

/// A measured number.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name for programs and for the ceilings.
    pub key: &'static str,
    /// What it counts.
    pub what: &'static str,
    /// The number.
    pub value: f64,
    /// Its unit, maybe empty.
    pub unit: &'static str,
    /// What it should be.
    pub goal: Goal,
}

fn spaced(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
}

/// Shows three digits or all before the point, the thousands apart.
fn shown(value: f64) -> String {
    if value != 0.0 && value.abs() < 1_000.0 {
        let decimals = if value.abs() < 10.0 { 2 } else { 1 };
        let text = format!("{value:.decimals$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl Row {
    /// Makes a line for the terminal.
    pub fn line(&self) -> String {
        let mark = if self.goal.reached(self.value) { "" } else { "   MISSED" };
        let goal = self.goal.text("");
        let goal = if goal.is_empty() { goal } else { format!("   (goal {goal})") };
        format!("   {}: {}{}{goal}{mark}", self.what, shown(self.value), spaced(self.unit))
    }

    /// Makes the object for programs.
    pub fn json(&self, command: &str) -> Value {
        json!({
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "shown": format!("{}{}", shown(self.value), spaced(self.unit)),
            "goal": self.goal.text(self.unit),
            "reached": self.goal.reached(self.value),
            "command": command,
        })
    }
}

/// Where the numbers that the README shows are kept.
const KEPT: &str = "benches/numbers.json";
const BEGIN: &str = "<!-- numbers: written by cargo xtask measure --write -->\n";
const END: &str = "<!-- end of numbers -->";

/// Puts new numbers among those that are kept, and writes the README's table anew.
pub fn write(fresh: &Map<String, Value>, order: &[&str]) -> Result<(), String> {
    let kept = fs::read_to_string(KEPT).unwrap_or_else(|_| "{}".to_owned());
    let mut kept: Map<String, Value> = serde_json::from_str(&kept).map_err(|error| format!("{KEPT}: {error}"))?;
    kept.extend(fresh.clone());
    let text = serde_json::to_string_pretty(&kept).map_err(|error| error.to_string())?;
    fs::write(KEPT, text + "\n").map_err(|error| format!("{KEPT}: {error}"))?;
    let readme = fs::read_to_string("README.md").map_err(|error| format!("README.md: {error}"))?;
    let parts = readme.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or("README.md has no place for the numbers")?;
    fs::write("README.md", format!("{head}{BEGIN}{}{END}{tail}", table(&kept, order)))
        .map_err(|error| format!("README.md: {error}"))
}

/// Makes the README's table, in the order of the measurements.
fn table(kept: &Map<String, Value>, order: &[&str]) -> String {
    let mut out = "| number | measured | goal | command |\n|---|---|---|---|\n".to_owned();
    let mut rows: Vec<&Value> = kept.values().collect();
    let named = |row: &Value| row["command"].as_str().and_then(|command| command.split(' ').next_back()).map(str::to_owned);
    let place = |row: &Value| named(row).and_then(|name| order.iter().position(|one| *one == name));
    rows.sort_by_key(|row| place(row).unwrap_or(order.len()));
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        // Writing to a text cannot fail.
        let _ = writeln!(out, "| {} | {} | {} | `{}` |", text("what"), text("shown"), text("goal"), text("command"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_short() {
        let all = [0.0, 0.126, 1.0, 3.264, 298.04, 999.96, 1_000.0, 23_456.7, 1_234_567.0].map(shown);
        assert_eq!(all, ["0", "0.13", "1", "3.26", "298", "1000", "1,000", "23,457", "1,234,567"]);
    }

    #[test]
    fn goals_have_a_direction() {
        assert!(Goal::AtMost(4.0).reached(4.0) && !Goal::AtMost(4.0).reached(4.1));
        assert!(Goal::AtLeast(4.0).reached(4.0) && !Goal::AtLeast(4.0).reached(3.9));
        assert_eq!(Goal::AtMost(20_000.0).text("KB"), "≤ 20,000 KB");
    }
}
