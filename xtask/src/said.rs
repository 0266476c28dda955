//! What a client says, as TypeScript: from the table of frames that the hub's documents for machines are made of, which tests hold against the parser.
//! Refuses a kind of field that it does not know.
use std::{fmt::Write as _, path::Path};

/// One row of the table.
struct Row<'a> {
    name: &'a str,
    about: &'a str,
    fields: &'a str,
}

/// What an object in the table may be made of, beside plain kinds.
const HELPERS: &str = "\
/** A place is a neighbour, an end or a step, never an index. */
export type Place = Neighbour | { up: number } | { down: number };
export type Neighbour = \"front\" | \"back\" | { before: string } | { after: string };
/** A command without its envelope, as `batch` and `explain` take it. */
export type Operation = { [Name in Exclude<keyof Commands, \"batch\" | \"explain\">]: { type: Name } & Commands[Name] }[Exclude<keyof Commands, \"batch\" | \"explain\">];
";

/// Reads a block of the table: after its name and brace, three texts a row.
fn rows<'a>(table: &'a str, block: &str) -> Result<Vec<Row<'a>>, String> {
    let (_, after) = table.split_once(&format!("    {block} {{\n")).ok_or(format!("no block {block}"))?;
    let (body, _) = after.split_once("\n    }").ok_or(format!("block {block} has no end"))?;
    body.lines()
        .map(|line| match line.split('"').collect::<Vec<_>>()[..] {
            [_, name, _, about, _, fields, _] => Ok(Row { name, about, fields }),
            _ => Err(format!("not a row of three texts: {line}")),
        })
        .collect()
}

fn typescript(kind: &str) -> Result<String, String> {
    if let Some(inner) = kind.strip_suffix('~') {
        return Ok(format!("{} | null", typescript(inner)?));
    }
    // `[]`, or with how many there may be: `[1..32]`.
    if let Some((inner, _)) = kind.strip_suffix(']').and_then(|list| list.rsplit_once('[')) {
        return Ok(format!("{}[]", typescript(inner)?));
    }
    if kind.contains('|') {
        return Ok(kind.split('|').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" | "));
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_sized = |prefix: &str| kind.strip_prefix(prefix).is_some_and(is_number);
    Ok(match kind {
        "text" | "id" | "user" | "user_type" | "room" | "role" => "string",
        _ if ["text", "word", "key"].into_iter().any(is_sized) => "string",
        "int" | "number" | "count" | "ms" | "seat" => "number",
        _ if kind.contains("..") => "number",
        "bool" => "boolean",
        "seats" => "number[] | \"all\"",
        "if_rev" => "string | number",
        "place" => "Place",
        "neighbour" => "Neighbour",
        "operation" => "Operation",
        "rules" => "Partial<Rules>",
        "room_at" => "{ room_id: string; cursor?: string; msg_cursor?: string }",
        other => return Err(format!("a kind that is not known here: {other}")),
    }
    .to_owned())
}

fn object(fields: &str) -> Result<String, String> {
    let mut parts = Vec::new();
    for field in fields.split_whitespace() {
        let (name, kind) = field.split_once(':').ok_or(format!("a field without a kind: {field}"))?;
        let (kind, optional) = kind.strip_suffix('!').map_or((kind, "?"), |kind| (kind, ""));
        parts.push(format!("{name}{optional}: {}", typescript(kind)?));
    }
    Ok(if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join("; ")) })
}

/// Writes the types of everything that a client says. `root` is the project's folder.
///
/// Errors: the table cannot be read, or has something in it that is not known here.
pub fn generate(root: &Path) -> Result<String, String> {
    let path = root.join("src/wire/spec/frames.rs");
    let table = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut text = HELPERS.to_owned();
    for (name, about, block) in [
        ("Commands", "What each room command carries beside `room_id`, `id`, `op_id` and `if_rev`.", "COMMANDS"),
        ("ClientFrames", "What each other frame of a client carries beside `id`.", "CLIENT"),
    ] {
        let _ = write!(text, "/** {about} */\nexport type {name} = {{\n");
        for Row { name, about, fields } in rows(&table, block)? {
            let object = object(fields).map_err(|error| format!("{name}: {error}"))?;
            let _ = write!(text, "  /** {about} */\n  {name}: {object};\n");
        }
        text.push_str("};\n");
    }
    Ok(text)
}
