//! No part of a folder needs itself by way of others: read off what the sources import. A part is a file or folder right below it, and the
//! folders are the layers and everything inside them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

type Imports = BTreeMap<String, BTreeSet<String>>;

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Returns the module that a file below `src` is, as its path.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    module.pop_if(|last| last == "mod");
    module
}

/// Writes out what a use tree names: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn write_out(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap();
        return paths.push(format!("{prefix}{}", path.trim()));
    };
    let (prefix, inner) = (format!("{prefix}{}", head.trim()), rest.rsplit_once('}').unwrap().0);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if let Some(branch) = inner.get(start..at).filter(|branch| !branch.trim().is_empty()) {
                    write_out(&prefix, branch, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Returns every path that begins with `crate::` or `super::`, in use declarations or elsewhere.
fn paths(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
    let mut paths = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with("::") || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &code[at..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let line = code[..at].rsplit(['\n', '{', ';']).next().unwrap().trim();
            let is_use = rest[end..].starts_with('{') && line.ends_with("use");
            write_out("", if is_use { &rest[..rest.find(';').unwrap()] } else { &rest[..end] }, &mut paths);
        }
    }
    paths
}

/// Returns the part of `folder` that a path names, seen from `module`.
fn part_named(folder: &[String], module: &[String], path: &str) -> Option<String> {
    let mut at = module.to_vec();
    let mut steps = path.split("::");
    for step in steps.by_ref() {
        match step {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            name => {
                at.push(name.to_owned());
                break;
            }
        }
    }
    at.extend(steps.map(str::to_owned));
    at.strip_prefix(folder)?.first().cloned()
}

/// Returns what each part of a folder of `src` imports of its neighbours.
fn imports_within(folder: &[String]) -> Imports {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&folder.iter().fold(src.clone(), |dir, name| dir.join(name)), &mut files);
    let files: Vec<_> = files.iter().map(|file| (module_of(file.strip_prefix(&src).unwrap()), file)).collect();
    let part = |module: &[String]| module.get(folder.len()).cloned();
    let parts: BTreeSet<String> = files.iter().filter_map(|(module, _)| part(module)).collect();
    let mut imports = Imports::new();
    for (module, file) in &files {
        let Some(own) = part(module) else { continue };
        let named = paths(&fs::read_to_string(file).unwrap()).into_iter().filter_map(|path| part_named(folder, module, &path));
        imports.entry(own.clone()).or_default().extend(named.filter(|part| *part != own && parts.contains(part)));
    }
    imports
}

/// Lists the folders below one, as module paths.
fn folders(folder: &[String], found: &mut Vec<Vec<String>>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(folder.iter().fold(src, |dir, name| dir.join(name))).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            let below = [folder, &[entry.file_name().into_string().unwrap()]].concat();
            folders(&below, found);
            found.push(below);
        }
    }
}

/// Leaves the parts that stand in a circle, and those that need one of them.
fn without_ground(mut left: Imports) -> Imports {
    loop {
        let ground: BTreeSet<String> = left.iter().filter(|(_, needs)| needs.is_empty()).map(|(part, _)| part.clone()).collect();
        if ground.is_empty() {
            return left;
        }
        left.retain(|part, _| !ground.contains(part));
        left.values_mut().for_each(|needs| needs.retain(|need| !ground.contains(need)));
    }
}

#[test]
fn no_part_needs_itself_by_way_of_others() {
    for (layer, arrows) in [("hub", 60), ("wire", 30), ("server", 80)] {
        let imports = imports_within(&[layer.to_owned()]);
        let found = imports.values().map(BTreeSet::len).sum::<usize>();
        assert!(found > arrows, "the imports of {layer} are not found any more: {imports:?}");
        let left = without_ground(imports);
        assert!(left.is_empty(), "parts of {layer} need each other in a circle: {left:#?}");
    }
}

#[test]
fn no_file_needs_itself_by_way_of_its_neighbours() {
    let mut all = Vec::new();
    for layer in ["hub", "wire", "server"] {
        folders(&[layer.to_owned()], &mut all);
    }
    assert!(all.len() > 20, "the folders are not found any more: {all:?}");
    for folder in all {
        let left = without_ground(imports_within(&folder));
        assert!(left.is_empty(), "files of {} need each other in a circle: {left:#?}", folder.join("/"));
    }
}

#[test]
fn what_is_imported_is_found() {
    let text = "use super::{a::B, c::{self, D}};\npub use crate::server::e;\nfn f() { super::super::g::h() } // crate::i";
    let found = paths(text);
    assert_eq!(found, ["crate::server::e", "super::a::B", "super::c::self", "super::c::D", "super::super::g::h"]);
    let module = ["server", "x"].map(str::to_owned);
    let named: Vec<_> = found.iter().filter_map(|path| part_named(&["server".to_owned()], &module, path)).collect();
    assert_eq!(named, ["e", "a", "c", "c"]);
}
