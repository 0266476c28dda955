//! The client's frame types, written from the Rust sources: structs and enums that the hub serialises become TypeScript, by serde's rules.
//! Refuses what it does not know, so that a new attribute or type is noticed instead of guessed.
use std::{collections::BTreeSet, fmt::Write as _, path::Path};
use syn::{Attribute, Fields, GenericArgument, Item, PathArguments, Type};

/// The sources that hold what clients see.
const SOURCES: &[&str] =
    &["event/mod.rs", "membership.rs", "message.rs", "rules.rs", "server.rs", "state.rs", "turn.rs", "words.rs"];
/// Frames, and what is reachable from them.
const ROOTS: &[&str] = &[
    "Welcome",
    "UserOnlineStatus",
    "Message",
    "Closing",
    "ErrorJson",
    "RoomUpdate",
    "RoomSnapshot",
    "RoomPresence",
    "RoomReset",
    "MemberJson",
    "MessageJson",
];
/// How Rust names are called in TypeScript, where they differ.
const NAMES: &[(&str, &str)] = &[
    ("ApplyJson", "Apply"),
    ("CauseJson", "PauseCause"),
    ("Document", "Rules"),
    ("EntryJson", "EntryFields"),
    ("ErrorJson", "ErrorFrame"),
    ("EventJson", "LogEvent"),
    ("FlagsJson", "Flags"),
    ("MediaJson", "MediaFields"),
    ("MemberJson", "Member"),
    ("Message", "DirectMessage"),
    ("MessageJson", "RoomMessage"),
    ("ModeJson", "Mode"),
    ("RoleJson", "Role"),
    ("SeatKindJson", "SeatKind"),
    ("ShownEntry", "Entry"),
    ("ShownInvite", "Invite"),
    ("ShownOccupant", "Occupant"),
    ("ShownReservation", "Reservation"),
    ("ShownSeat", "Seat"),
    ("ShownUndo", "Undo"),
    ("SpecialJson", "SpecialUser"),
    ("StateJson", "RoomState"),
    ("StatusJson", "RoomStatus"),
    ("TurnJson", "Turn"),
    ("UpdateEvent", "RoomEvent"),
    ("UserOnlineStatus", "OnlineStatus"),
    ("ViaJson", "Via"),
    ("WindowJson", "TimeWindow"),
];
const STATUS: &str = r#""online" | "busy" | "away" | "offline""#;
/// Texts of which Rust knows that only some occur.
const TEXTS: &[(&str, &str, &str)] = &[
    ("UserStatus", "status", STATUS),
    ("PresenceChange", "status", STATUS),
    ("MemberJson", "status", STATUS),
    ("MessageJson", "class", r#""must" | "normal" | "droppable""#),
    ("ShownSeat", "state", r#""held" | "occupied" | "locked" | "reserved" | "empty""#),
    ("ShownEntry", "state", r#""waiting" | "held""#),
    ("Document", "access", r#""open" | "blacklist" | "whitelist""#),
];

/// The file that this module writes.
pub const FILE: &str = "clients/web/src/wire.ts";

fn renamed(name: &str) -> &str {
    NAMES.iter().find(|(rust, _)| *rust == name).map_or(name, |(_, typescript)| typescript)
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// What serde does with a type or field.
#[derive(Default)]
struct Serde {
    tag: Option<String>,
    rename: Option<String>,
    flatten: bool,
    may_be_absent: bool,
}

fn serde(attributes: &[Attribute]) -> Result<Serde, String> {
    let mut found = Serde::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let read = attribute.parse_nested_meta(|meta| {
            let text = |meta: &syn::meta::ParseNestedMeta| Ok::<_, syn::Error>(meta.value()?.parse::<syn::LitStr>()?.value());
            if meta.path.is_ident("tag") {
                found.tag = Some(text(&meta)?);
            } else if meta.path.is_ident("rename") {
                found.rename = Some(text(&meta)?);
            } else if meta.path.is_ident("flatten") {
                found.flatten = true;
            } else if meta.path.is_ident("skip_serializing_if") {
                text(&meta)?;
                found.may_be_absent = true;
            } else if meta.path.is_ident("rename_all") {
                if text(&meta)? != "snake_case" {
                    return Err(meta.error("only snake_case is known"));
                }
            } else if meta.path.is_ident("default") {
                if meta.input.peek(syn::Token![=]) {
                    text(&meta)?;
                }
            } else {
                return Err(meta.error("an attribute that is not known here"));
            }
            Ok(())
        });
        read.map_err(|error| error.to_string())?;
    }
    Ok(found)
}

/// The types of the sources, by name.
struct Types(Vec<Item>);

impl Types {
    fn read(root: &Path) -> Result<Self, String> {
        let mut items = Vec::new();
        for source in SOURCES {
            let path = root.join("src/wire").join(source);
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            items.extend(syn::parse_file(&text).map_err(|error| format!("{source}: {error}"))?.items);
        }
        Ok(Self(items))
    }

    /// Writes the declaration of a type, and notes which others it needs.
    fn declare(&self, name: &str, needs: &mut BTreeSet<String>) -> Result<String, String> {
        let shown = renamed(name);
        for item in &self.0 {
            match item {
                Item::Struct(one) if one.ident == name => {
                    let own = serde(&one.attrs)?;
                    let kind = own.tag.map(|tag| format!("{tag}: \"{}\"", own.rename.unwrap_or_else(|| snake(name))));
                    return Ok(format!("export type {shown} = {};\n", object(name, kind, &one.fields, needs)?));
                }
                Item::Enum(one) if one.ident == name => {
                    let own = serde(&one.attrs)?;
                    let mut variants = Vec::new();
                    for variant in &one.variants {
                        let text = format!("\"{}\"", snake(&variant.ident.to_string()));
                        variants.push(match &own.tag {
                            Some(tag) => object(name, Some(format!("{tag}: {text}")), &variant.fields, needs)?,
                            None if variant.fields.is_empty() => text,
                            None => return Err(format!("{name}::{} has fields and no tag", variant.ident)),
                        });
                    }
                    let between = if own.tag.is_some() { "\n  | " } else { " | " };
                    let before = if own.tag.is_some() { between } else { " " };
                    return Ok(format!("export type {shown} ={before}{};\n", variants.join(between)));
                }
                Item::Macro(one) if one.mac.path.is_ident("mirror") => {
                    let text = one.mac.tokens.to_string();
                    let Some((head, tail)) = text.split_once('{') else { continue };
                    if head.split_whitespace().rev().nth(2) == Some(name) {
                        let variants =
                            tail.trim_end_matches(['}', ' ']).split_whitespace().map(|each| format!("\"{}\"", snake(each)));
                        return Ok(format!("export type {shown} = {};\n", variants.collect::<Vec<_>>().join(" | ")));
                    }
                }
                _ => {}
            }
        }
        Err(format!("no type {name} in src/wire"))
    }
}

fn object(owner: &str, kind: Option<String>, fields: &Fields, needs: &mut BTreeSet<String>) -> Result<String, String> {
    let mut parts: Vec<String> = kind.into_iter().collect();
    let mut beside = String::new();
    for field in fields {
        let own = serde(&field.attrs)?;
        let name = own.rename.or_else(|| field.ident.as_ref().map(ToString::to_string)).ok_or("a field without a name")?;
        let inner = inner_of(&field.ty, "Option");
        if own.flatten {
            let text = typescript(inner.unwrap_or(&field.ty), needs)?;
            let _ = write!(beside, " & {}", if inner.is_some() { format!("Partial<{text}>") } else { text });
            continue;
        }
        let fixed = (name == "type" && owner == "ErrorJson").then(|| "\"error\"".to_owned());
        let text =
            TEXTS.iter().find(|(one, field, _)| *one == owner && *field == name).map(|(.., text)| (*text).to_owned()).or(fixed);
        let text = match (text, inner) {
            (Some(text), _) => text,
            (None, Some(inner)) if own.may_be_absent => typescript(inner, needs)?,
            (None, Some(inner)) => format!("{} | null", typescript(inner, needs)?),
            (None, None) => typescript(&field.ty, needs)?,
        };
        parts.push(format!("{name}{}: {text}", if own.may_be_absent { "?" } else { "" }));
    }
    Ok(format!("{{ {} }}{beside}", parts.join("; ")))
}

/// Returns `T` of `Wrapper<T>`.
fn inner_of<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == wrapper)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

fn typescript(ty: &Type, needs: &mut BTreeSet<String>) -> Result<String, String> {
    let list = |inner: &Type, needs: &mut BTreeSet<String>| {
        let text = typescript(inner, needs)?;
        Ok::<_, String>(if text.contains(' ') { format!("({text})[]") } else { format!("{text}[]") })
    };
    match ty {
        Type::Reference(reference) => typescript(&reference.elem, needs),
        Type::Slice(slice) => list(&slice.elem, needs),
        Type::Tuple(tuple) => {
            let parts = tuple.elems.iter().map(|each| typescript(each, needs)).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("[{}]", parts.join(", ")))
        }
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return Err("a path without a name".to_owned()) };
            let name = last.ident.to_string();
            if let Some(inner) = inner_of(ty, "Vec") {
                return list(inner, needs);
            }
            if let Some(inner) = inner_of(ty, "Option") {
                return Ok(format!("{} | null", typescript(inner, needs)?));
            }
            let arguments = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect(),
                _ => Vec::new(),
            };
            match name.as_str() {
                "String" | "str" => Ok("string".to_owned()),
                "bool" => Ok("boolean".to_owned()),
                "u16" | "u32" | "u64" | "i64" | "usize" => Ok("number".to_owned()),
                "Map" => Ok("Record<string, any>".to_owned()),
                "BTreeMap" => match arguments.last() {
                    Some(GenericArgument::Type(value)) => Ok(format!("Record<string, {}>", typescript(value, needs)?)),
                    _ => Err("a map without values".to_owned()),
                },
                "RulesJson" => {
                    needs.insert("Document".to_owned());
                    Ok(renamed("Document").to_owned())
                }
                _ => {
                    let shown = renamed(&name).to_owned();
                    needs.insert(name);
                    Ok(shown)
                }
            }
        }
        _ => Err("a kind of type that is not known here".to_owned()),
    }
}

/// The names of all error codes: the rows of the table in `hub::code`.
fn codes(root: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(root.join("src/hub/code.rs")).map_err(|error| error.to_string())?;
    let (_, table) = text.split_once("codes! {").ok_or("code.rs has no table")?;
    Ok(table.lines().take_while(|line| *line != "}").filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect())
}

fn union<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" | ")
}

/// Writes the whole file's text. `root` is the project's folder.
///
/// Errors: a source that cannot be read, or something in it that is not known here.
pub fn generate(root: &Path) -> Result<String, String> {
    let types = Types::read(root)?;
    let mut done = BTreeSet::new();
    let mut open: BTreeSet<String> = ROOTS.iter().map(|name| (*name).to_owned()).collect();
    let mut declarations = BTreeSet::new();
    while let Some(name) = open.pop_first() {
        if done.insert(name.clone()) {
            declarations.insert(types.declare(&name, &mut open)?);
        }
    }
    let mut text = "// Written by `cargo xtask types` from the hub's sources; a test keeps it equal to them. PROTOCOL.md says what each field means.\n\n".to_owned();
    for declaration in declarations {
        text.push_str(&declaration);
    }
    text.push_str(&crate::said::generate(root)?);
    text.push_str(
        "/** The names of all room commands. */
export type CommandName = keyof Commands;
",
    );
    let _ = write!(text, "/** The names of all errors. */\nexport type ErrorName = {};\n", union(&codes(root)?));
    Ok(text)
}

/// Writes the file.
pub fn write() -> Result<(), String> {
    std::fs::write(FILE, generate(Path::new("."))?).map_err(|error| format!("{FILE}: {error}"))
}
