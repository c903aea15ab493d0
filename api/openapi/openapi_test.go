package openapi

import "testing"

func TestFor_showsWhatIsEnabled(t *testing.T) {
	d, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	shown := d.For(func(name string) bool { return name == "butlerping" }, "1.2.3", "https://butler.example.com")
	paths, _ := shown["paths"].(Document)
	info, _ := shown["info"].(Document)
	if len(paths) != 1 || paths["/v4/butlerping"] == nil || info["version"] != "1.2.3" || info["title"] != "butler" {
		t.Errorf("want the ping alone with the version, got %v of %v", paths, info)
	}
	if whole, _ := d["paths"].(Document); len(whole) < 4 {
		t.Errorf("the description itself was changed: %d paths are left", len(whole))
	}
}
