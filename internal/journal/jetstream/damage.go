package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/internal/journal"
	"butler/internal/logx"
)

// Names in the directory of the journal.
const (
	// damagedDir keeps damaged files as they were found, and what was said of them.
	damagedDir = "damaged"
	// blocksDir is where the server keeps the blocks of a stream.
	blocksDir = "msgs"
	// diaryName is what one process tells the next: see diary.
	diaryName = "DIARY"
)

// keptDamage bounds damagedDir. What is beyond it is not kept; the report says so.
const keptDamage = 256 << 20

// diary is written when the store opens and when it closes.
type diary struct {
	// Closed says that the process ended in order. Then Next is exact: where the
	// next record of each stream belongs.
	Closed bool                   `json:"closed"`
	Next   map[string]journal.Seq `json:"next,omitempty"`
	// Told are the records of each stream that are known to be missing.
	Told map[string]spans `json:"told,omitempty"`
}

// readDiary returns an empty diary when there is none, or none that can be read.
func readDiary(dir string) diary {
	var d diary
	raw, err := os.ReadFile(filepath.Join(dir, diaryName))
	if err != nil || json.Unmarshal(raw, &d) != nil {
		d = diary{}
	}
	if d.Told == nil {
		d.Told = map[string]spans{}
	}
	if d.Next == nil {
		d.Next = map[string]journal.Seq{}
	}
	return d
}

func (d diary) write(dir string) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, diaryName), raw)
}

// replaceFile writes a file that is either the old or the new one after a crash.
func replaceFile(path string, content []byte) error {
	next := path + ".new"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, path)
}

// inspection looks at the files of all streams before the server does.
type inspection struct {
	dir    string // of the journal
	prefix string
	log    *zap.Logger
	now    time.Time
	diary  diary
	// damage is what was found and not told before.
	damage []journal.Damage
}

// inspect mends what is damaged in a directory that no server uses: of a damaged
// block the whole records stay, and a copy of all of it is kept.
func inspect(dir, prefix string, log *zap.Logger) (*inspection, error) {
	i := &inspection{dir: dir, prefix: prefix, log: log, now: time.Now(), diary: readDiary(dir)}
	streams, err := filepath.Glob(streamPath(dir, prefix+"_*"))
	if err != nil {
		return nil, err
	}
	for _, path := range streams {
		if err := i.stream(path); err != nil {
			return nil, fmt.Errorf("inspect %s: %w", path, err)
		}
	}
	for _, one := range i.damage {
		i.tell(one)
	}
	return i, nil
}

// stream looks at one stream.
func (i *inspection) stream(path string) error {
	name := filepath.Base(path)
	found := journal.Damage{Log: strings.TrimPrefix(name, i.prefix+"_")}
	if err := i.mendMeta(path, name); err != nil {
		return err
	}
	numbers, err := blockNumbers(filepath.Join(path, blocksDir))
	if err != nil {
		return err
	}
	var seqs spans
	for n, number := range numbers {
		parts, err := i.block(path, name, number, n == len(numbers)-1, &found)
		if err != nil {
			return err
		}
		for _, s := range parts.seqs {
			seqs = seqs.with(s.First).through(s.Last)
		}
	}
	missing := seqs.gaps()
	if next, told := i.diary.Next[name]; told && i.diary.Closed && len(seqs) > 0 && seqs[len(seqs)-1].Last+1 < next {
		missing = append(missing, span{seqs[len(seqs)-1].Last + 1, next - 1})
	}
	found.Lost = missing.without(i.diary.Told[name]).size()
	i.diary.Told[name] = missing
	if found.Lost > 0 || found.Bytes > 0 {
		i.damage = append(i.damage, found)
	}
	return nil
}

// blockNumbers returns the numbers of the block files of a directory, in order.
func blockNumbers(dir string) ([]int, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	var out []int
	for _, file := range files {
		if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".blk")); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, err
}

// block looks at one block. The end of the newest one may be torn by the end of
// a process: nobody was told that such a record is on disk, and the server cuts it off.
func (i *inspection) block(path, stream string, number int, newest bool, found *journal.Damage) (blockParts, error) {
	file := filepath.Join(path, blocksDir, strconv.Itoa(number)+".blk")
	body, err := os.ReadFile(file)
	if err != nil {
		return blockParts{}, err
	}
	subject := i.prefix + "." + strings.TrimPrefix(stream, i.prefix+"_")
	b, err := newBlock(stream, subject, number, body)
	if err != nil {
		return blockParts{}, err
	}
	parts := b.parts()
	torn := newest && !i.diary.Closed
	if bad := parts.damaged + parts.torn; bad == 0 || torn && parts.damaged == 0 {
		return parts, nil
	}
	found.Bytes += int64(parts.damaged + parts.torn)
	found.Kept = filepath.Join(i.dir, damagedDir)
	if err := i.keep(file, stream, body); err != nil {
		return parts, err
	}
	whole := make([]byte, 0, len(body))
	for _, e := range parts.whole {
		whole = append(whole, body[e.from:e.to]...)
	}
	if err := replaceFile(file, whole); err != nil {
		return parts, err
	}
	return parts, forgetIndex(path)
}

// forgetIndex makes the server read the blocks anew.
func forgetIndex(path string) error {
	if err := os.Remove(filepath.Join(path, blocksDir, "index.db")); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// keep copies a damaged file, as long as there is room for it.
func (i *inspection) keep(file, stream string, body []byte) error {
	dir := filepath.Join(i.dir, damagedDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if sizeOf(dir)+int64(len(body)) > keptDamage {
		i.log.Error("no copy of a damaged file of the journal is kept, there are enough of them", logx.Path(file))
		return nil
	}
	return replaceFile(filepath.Join(dir, i.stamp()+"-"+stream+"-"+filepath.Base(file)), body)
}

func (i *inspection) stamp() string { return i.now.UTC().Format("20060102T150405Z") }

// sizeOf returns the size of the files in a directory.
func sizeOf(dir string) int64 {
	files, _ := os.ReadDir(dir)
	sum := int64(0)
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// tell writes damage to the log, and into a file that stays until an operator removes it.
func (i *inspection) tell(d journal.Damage) {
	i.log.Error("files of the journal are damaged: what was lost was not read by anybody, the rest is used; see the handbook",
		zap.String("log", d.Log), zap.Int64("lost_records", d.Lost), zap.Int64("damaged_bytes", d.Bytes),
		logx.Path(filepath.Join(i.dir, damagedDir)))
	report := fmt.Sprintf("%s: log %s: %d bytes were damaged, %d records at least are lost.\n", i.now.UTC().Format(time.RFC3339), d.Log, d.Bytes, d.Lost)
	dir := filepath.Join(i.dir, damagedDir)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = replaceFile(filepath.Join(dir, i.stamp()+"-"+d.Log+".txt"), []byte(report))
	}
	if err != nil {
		i.log.Warn("report of the damage cannot be written", logx.Err(err))
	}
}
