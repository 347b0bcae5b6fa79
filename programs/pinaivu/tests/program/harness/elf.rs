//! The program's file with a section table, which the linker leaves out and the virtual machine asks for
//! once it traces: two entries, nothing and their own names.

const NAMES: &[u8] = b"\0.shstrtab\0";

/// Bytes of one entry.
const ENTRY: u16 = 64;

/// Places in the ELF header: of the table, of an entry's length, of their number, of the names' entry.
const TABLE_AT: usize = 40;
const ENTRY_AT: usize = 58;
const COUNT_AT: usize = 60;
const NAMES_AT: usize = 62;

/// Adds the table at the end; nothing else changes.
pub(super) fn with_sections(mut elf: Vec<u8>) -> Vec<u8> {
    assert_eq!(elf[TABLE_AT..TABLE_AT + 8], [0; 8], "the program has a section table after all");
    let names = elf.len() as u64;
    elf.extend_from_slice(NAMES);
    elf.resize(elf.len().next_multiple_of(8), 0);
    let table = elf.len() as u64;
    elf.extend([0; ENTRY as usize]);
    // Name, type (a table of strings), flags, address, offset, size, link, info, alignment, entry size.
    elf.extend([1_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat());
    let rest = [0, 0, names, NAMES.len() as u64, 0, 1, 0];
    elf.extend(rest.iter().flat_map(|number: &u64| number.to_le_bytes()));
    elf[TABLE_AT..TABLE_AT + 8].copy_from_slice(&table.to_le_bytes());
    for (at, number) in [(ENTRY_AT, ENTRY), (COUNT_AT, 2), (NAMES_AT, 1)] {
        elf[at..at + 2].copy_from_slice(&number.to_le_bytes());
    }
    elf
}
