package tryout

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"butler/internal/destination"
	"butler/internal/template"
)

// templateOverlay replaces the template file of one instance, as if its
// configuration named another one.
type templateOverlay struct {
	// path is that of the instance, file is absolute.
	path, file string
	// applied reports that the instance has a template, and has this one now.
	applied bool
}

// over returns decode with the file in place of the configured one.
func (o *templateOverlay) over(decode destination.Decode) destination.Decode {
	return func(section string, into any) error {
		if err := decode(section, into); err != nil {
			return err
		}
		settings := reflect.ValueOf(into).Elem()
		for _, step := range below(section, o.path) {
			if settings = stepInto(settings, step); !settings.IsValid() {
				return nil
			}
		}
		return o.set(settings)
	}
}

// set changes the keys by which destinations name their template.
func (o *templateOverlay) set(settings reflect.Value) error {
	if settings.Kind() != reflect.Struct {
		return nil
	}
	text := func(name, value string) bool {
		field := settings.FieldByName(name)
		if !field.IsValid() || field.Kind() != reflect.String {
			return false
		}
		field.SetString(value)
		return true
	}
	if name, ok := strings.CutSuffix(filepath.Base(o.file), template.Extension); text("HTMLTemplateFile", name) {
		if !ok {
			return fmt.Errorf("the name of a template for mail has to end in %s: %s", template.Extension, o.file)
		}
		o.applied = text("BodyFileDirectory", filepath.Dir(o.file))
		return nil
	}
	if o.applied = text("TemplateFile", o.file); o.applied {
		text("MessageType", "formatted") // a basic message has no template
	}
	return nil
}

var routeEntry = regexp.MustCompile(`^routes\[(\d+)\]\.([^.\[]+)\[(\d+)\]$`)

// below returns the steps from a section, as it is decoded, to the key at path;
// none leads out of it.
func below(section, path string) []string {
	if entry := routeEntry.FindStringSubmatch(path); entry != nil && section == "routes[]."+entry[2] {
		return []string{entry[1], entry[3]}
	}
	rest, inside := strings.CutPrefix(path, section+".")
	if !inside {
		return []string{""}
	}
	return strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(".[]", r) })
}

// stepInto returns the field or the item that a step leads to; the zero Value without one.
func stepInto(v reflect.Value, step string) reflect.Value {
	switch v.Kind() {
	case reflect.Struct:
		return v.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, step) })
	case reflect.Slice:
		if i, err := strconv.Atoi(step); err == nil && i < v.Len() {
			return v.Index(i)
		}
	default:
	}
	return reflect.Value{}
}
