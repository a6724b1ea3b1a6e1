package gobinary

import (
	"debug/dwarf"
	"fmt"
	"math"
	"strings"
)

// dwarfTypes are the runtime's structures as DWARF describes them, by name.
type dwarfTypes map[string]*dwarf.StructType

// runtimeTypes reads the structures that have a field in the list of fields.
// Go's linker puts the types of all packages into the runtime's unit; the other
// units are skipped.
func runtimeTypes(data *dwarf.Data) (dwarfTypes, error) {
	types := make(dwarfTypes)
	for _, f := range fields {
		types[f.typ] = nil
	}
	missing := len(types)
	for r := data.Reader(); missing > 0; {
		e, err := r.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, fmt.Errorf("%d of the runtime's structures are not in it", missing)
		}
		if e.Tag == dwarf.TagCompileUnit {
			if name, _ := e.Val(dwarf.AttrName).(string); name != "runtime" {
				r.SkipChildren()
			}
			continue
		}
		r.SkipChildren()
		name, _ := e.Val(dwarf.AttrName).(string)
		if known, wanted := types[name]; e.Tag != dwarf.TagStructType || !wanted || known != nil {
			continue
		}
		t, err := data.Type(e.Offset)
		if err != nil {
			return nil, fmt.Errorf("type %s: %w", name, err)
		}
		types[name] = t.(*dwarf.StructType)
		missing--
	}
	return types, nil
}

// offset is that of a field, from the start of its structure. It reports false
// for a field that is not there.
func (types dwarfTypes) offset(f field) (uint32, bool) {
	t := types[f.typ]
	if f.path == sizeField {
		return asOffset(t.ByteSize)
	}
	var offset int64
	for name := range strings.SplitSeq(f.path, ".") {
		member := structField(t, name)
		if member == nil {
			return NoField, false
		}
		offset += member.ByteOffset
		t, _ = underlying(member.Type).(*dwarf.StructType)
	}
	return asOffset(offset)
}

// asOffset converts a number that a damaged file may have made up.
func asOffset(n int64) (uint32, bool) {
	if n < 0 || n >= math.MaxUint32 {
		return NoField, false
	}
	return uint32(n), true
}

func structField(t *dwarf.StructType, name string) *dwarf.StructField {
	if t == nil {
		return nil
	}
	for _, f := range t.Field {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func underlying(t dwarf.Type) dwarf.Type {
	for {
		def, ok := t.(*dwarf.TypedefType)
		if !ok {
			return t
		}
		t = def.Type
	}
}
