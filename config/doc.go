// Package config owns the configuration of the service: which keys exist, what
// they mean, where their values come from, and the typed sections that the rest
// of the program reads.
//
// The keys are data (schema.yaml, and one schema per destination).
// A value comes from the built-in default, the configuration file, a BUTLER_
// environment variable or the command line; the later one wins. All problems of all
// sources are found in one pass, and reported with place, reason and, where there is
// one, a suggestion.
//
// The name of what is wrong depends on who says it. A fault is why a value is refused,
// without key and place. A Finding is what the owner of a section says about a key, such
// as a destination, whose own word for it is destination.Problem. The checker adds key
// and place to a fault, and the loader the place to a Finding: each is a Problem then.
// Load returns all of them as Problems.
//
// To read the package, follow a file on its way: load (the order of the steps),
// document (its text becomes YAML nodes), check (nodes meet the keys of the schema),
// value (the value of one key) and sections (what the program gets).
//
// It guarantees that a loaded Config is complete, valid and immutable, and safe for
// concurrent use; and that the text of a secret leaves it only through a
// secret.String, a section that its owner decodes, or Secrets, never through a
// problem, a note or Shown.
//
// It must never watch, write or reload a file, look beyond the given file for
// settings, or know what a destination does with its section.
package config
