package jetstream

import (
	"errors"
	"fmt"
	"maps"
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
	// damagedDir holds damaged files as they were found, and reports about them.
	damagedDir = "damaged"
	// blocksDir is where the server keeps the blocks of a stream.
	blocksDir = "msgs"
)

// inspection checks the files of all streams before the server opens them.
type inspection struct {
	dir   string // of the journal
	log   *zap.Logger
	now   time.Time
	diary diary
	// damage is what was found and not reported before.
	damage []journal.Damage
}

// inspect repairs a directory that no server is using: a damaged block is reduced to
// its whole records, and the original is kept.
func inspect(dir string, log *zap.Logger) (*inspection, error) {
	i := &inspection{dir: dir, log: log, now: time.Now(), diary: readDiary(dir)}
	streams, err := i.streams()
	if err != nil {
		return nil, err
	}
	for _, name := range streams {
		if err := i.stream(name); err != nil {
			return nil, fmt.Errorf("inspect %s: %w", streamPath(dir, name), err)
		}
	}
	for _, one := range i.damage {
		tell(dir, log, i.now, one)
	}
	return i, nil
}

// streams returns the names of the streams that exist or are in the diary.
func (i *inspection) streams() ([]string, error) {
	there, err := namesIn(filepath.Dir(streamPath(i.dir, prefix)))
	names := append(there, slices.Collect(maps.Keys(i.diary.Streams))...)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix+"_") })
	slices.Sort(names)
	return slices.Compact(names), err
}

// stream inspects and repairs one stream.
func (i *inspection) stream(name string) error {
	path := streamPath(i.dir, name)
	found := journal.Damage{Log: strings.TrimPrefix(name, prefix+"_")}
	if err := i.restoreMeta(path, name); err != nil {
		return err
	}
	numbers, err := blockNumbers(filepath.Join(path, blocksDir))
	if err != nil {
		return err
	}
	if !i.diary.Closed {
		if err := forgetIndex(path); err != nil {
			return err
		}
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
	reach := i.diary.Streams[name]
	missing := reach.missing(seqs)
	found.Lost = missing.without(reach.Gaps).size()
	reach.Gaps = missing
	i.diary.Streams[name] = reach
	if found.Lost > 0 || found.Bytes > 0 {
		i.damage = append(i.damage, found)
	}
	return nil
}

// blockNumbers returns the numbers of the block files of a directory, in order.
func blockNumbers(dir string) ([]int, error) {
	files, err := namesIn(dir)
	var out []int
	for _, file := range files {
		number, isBlock := strings.CutSuffix(file, ".blk")
		if n, err := strconv.Atoi(number); isBlock && err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, err
}

func blockName(number int) string { return strconv.Itoa(number) + ".blk" }

// namesIn returns the names in a directory, or none if it does not exist.
func namesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}

// block inspects and repairs one block. The end of the newest block may be torn if the
// process did not end in order: such a record was never acknowledged, and the server
// truncates it.
func (i *inspection) block(path, stream string, number int, newest bool, found *journal.Damage) (blockParts, error) {
	file := filepath.Join(path, blocksDir, blockName(number))
	body, err := os.ReadFile(file)
	if err != nil {
		return blockParts{}, err
	}
	subject := prefix + "." + strings.TrimPrefix(stream, prefix+"_")
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
	if err := i.keep(file, stream, body); err != nil {
		return parts, err
	}
	whole := make([]byte, 0, len(body))
	for _, e := range parts.whole {
		whole = append(whole, body[e.from:e.to]...)
	}
	// The index goes first: a crash in between must not leave that of the old block.
	if err := forgetIndex(path); err != nil {
		return parts, err
	}
	return parts, replaceFile(file, whole)
}

// forgetIndex removes the index, so that the server reads the blocks again.
func forgetIndex(path string) error {
	if err := os.Remove(filepath.Join(path, blocksDir, "index.db")); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// keep gives a damaged file a second name by a hard link, which takes no space and
// survives the replacement of the file. Where that fails, it copies the file.
func (i *inspection) keep(file, stream string, body []byte) error {
	dir := filepath.Join(i.dir, damagedDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	kept := filepath.Join(dir, stamp(i.now)+"-"+stream+"-"+filepath.Base(file))
	if os.Link(file, kept) == nil {
		return nil
	}
	return replaceFile(kept, body)
}

func stamp(now time.Time) string { return now.UTC().Format("20060102T150405.000000Z") }

// tell reports damage in the log, and in a file that stays until an operator removes it.
func tell(dir string, log *zap.Logger, now time.Time, d journal.Damage) {
	kept := filepath.Join(dir, damagedDir)
	log.Error("files of the journal are damaged, everything in them that is whole is used; see the handbook",
		zap.String("log", d.Log), zap.Int64("lost_records", d.Lost), zap.Int64("damaged_bytes", d.Bytes), logx.Path(kept))
	report := fmt.Sprintf("%s: log %s: %d bytes were damaged, %d records are lost.\n", now.UTC().Format(time.RFC3339), d.Log, d.Bytes, d.Lost)
	err := os.MkdirAll(kept, 0o700)
	if err == nil {
		err = appendFile(filepath.Join(kept, stamp(now)+"-"+d.Log+".txt"), report)
	}
	if err != nil {
		log.Warn("report of the damage cannot be written", logx.Err(err))
	}
}

func appendFile(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}
