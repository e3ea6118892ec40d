"""The machine code of the entry point from Python, as LLVM text.

There are two METH_FASTCALL functions, and what runs many steps without the interpreter's
lock.

`sg_entry(*arrays, *outputs)` writes into arrays that the caller has made and returns the
driver's flag; `sg_direct(*arrays)` makes fresh output arrays through NumPy's C API and
returns them, or None where it could not run or the driver failed, or where a word of
its guard is not as it must be: storage has been replaced, or another thread holds a
shared variable. Both read the table that entry.py makes. `sg_run` gives the lock up
around `run` of a driver; `sg_watch` takes it for a moment to look for signals and to
tell how far the run is (watch.py). An exception that it meets stays set. `sg_guarded`
calls the first item of the list that is its ``__self__``; an exception is appended to
the list, and the answer is RAISED: so none is lost, not even one of a signal that comes
before the first line of the function.

Offsets into PyObject: 8 type. Into PyArrayObject: 16 data, 24 nd, 32 dimensions,
56 descr, 64 flags. 257 = C_CONTIGUOUS | ALIGNED. The table: step, slots, inputs,
outputs, release (1: without the GIL, 2: return a list), type, busy, guard (address of
pairs: address of a word, its value), number of pairs; for each input
descr, slot, rank and as many extents; the slot of each output; for each output descr,
rank and as many extents.
"""

from symgraph.backends.base import DONE, RAISED
from symgraph.backends.cpu.watch import PROGRESS, THREAD

_DECLARATIONS = """
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyList_New(i64)
declare i32 @PyErr_CheckSignals()
declare ptr @PyObject_CallOneArg(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare i32 @PyList_Append(ptr, ptr)
declare void @PyErr_Fetch(ptr, ptr, ptr)
declare void @PyErr_NormalizeException(ptr, ptr, ptr)
declare i32 @PyException_SetTraceback(ptr, ptr)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
@_Py_NoneStruct = external global i8
"""

#: wanted: the number of arguments; every way out but the last leads to %leave
_CHECKS = """entry:
  %table.at = getelementptr i8, ptr %self, i64 16
  %table = load ptr, ptr %table.at
  %step = load ptr, ptr %table
  %slots.at = getelementptr i64, ptr %table, i64 1
  %slots = load ptr, ptr %slots.at
  %inputs.at = getelementptr i64, ptr %table, i64 2
  %inputs = load i64, ptr %inputs.at
  %outputs.at = getelementptr i64, ptr %table, i64 3
  %outputs = load i64, ptr %outputs.at
  %release.at = getelementptr i64, ptr %table, i64 4
  %release = load i64, ptr %release.at
  %type.at = getelementptr i64, ptr %table, i64 5
  %type = load ptr, ptr %type.at
  %busy.at = getelementptr i64, ptr %table, i64 6
  %busy = load i64, ptr %busy.at
  %records = getelementptr i64, ptr %table, i64 9
  WANTED
  %count.fits = icmp eq i64 %wanted, %given
  br i1 %count.fits, label %counted, label %leave
counted:
  %idle = icmp eq i64 %busy, 0
  br i1 %idle, label %prepare, label %leave

PREPARE
inputs.next:
  %i = phi i64 [ 0, %guarded ], [ %i.after, %input.fits ]
  %record = phi ptr [ %records, %guarded ], [ %record.after, %input.fits ]
  %inputs.done = icmp eq i64 %i, %inputs
  br i1 %inputs.done, label %outputs.first, label %input

input:
  %array.at = getelementptr ptr, ptr %args, i64 %i
  %array = load ptr, ptr %array.at
  %array.type.at = getelementptr i8, ptr %array, i64 8
  %array.type = load ptr, ptr %array.type.at
  %type.fits = icmp eq ptr %array.type, %type
  br i1 %type.fits, label %input.typed, label %leave
input.typed:
  %descr.at = getelementptr i8, ptr %array, i64 56
  %descr = load i64, ptr %descr.at
  %descr.wanted = load i64, ptr %record
  %descr.wrong = xor i64 %descr, %descr.wanted
  %rank.at = getelementptr i8, ptr %array, i64 24
  %rank.short = load i32, ptr %rank.at
  %rank = zext i32 %rank.short to i64
  %rank.wanted.at = getelementptr i64, ptr %record, i64 2
  %rank.wanted = load i64, ptr %rank.wanted.at
  %rank.wrong = xor i64 %rank, %rank.wanted
  %flags.at = getelementptr i8, ptr %array, i64 64
  %flags = load i32, ptr %flags.at
  %flags.kept = and i32 %flags, 257
  %flags.wrong.short = xor i32 %flags.kept, 257
  %flags.wrong = zext i32 %flags.wrong.short to i64
  %wrong.some = or i64 %descr.wrong, %rank.wrong
  %wrong = or i64 %wrong.some, %flags.wrong
  %right = icmp eq i64 %wrong, 0
  br i1 %right, label %extents, label %leave
extents:
  %extents.at = getelementptr i8, ptr %array, i64 32
  %extents.given = load ptr, ptr %extents.at
  %extents.wanted = getelementptr i64, ptr %record, i64 3
  br label %extents.next
extents.next:
  %axis = phi i64 [ 0, %extents ], [ %axis.after, %extent.fits ]
  %extents.done = icmp eq i64 %axis, %rank
  br i1 %extents.done, label %input.fits, label %extent
extent:
  %extent.at = getelementptr i64, ptr %extents.given, i64 %axis
  %extent.given = load i64, ptr %extent.at
  %extent.wanted.at = getelementptr i64, ptr %extents.wanted, i64 %axis
  %extent.wanted = load i64, ptr %extent.wanted.at
  %extent.same = icmp eq i64 %extent.given, %extent.wanted
  br i1 %extent.same, label %extent.fits, label %leave
extent.fits:
  %axis.after = add i64 %axis, 1
  br label %extents.next
input.fits:
  %data.at = getelementptr i8, ptr %array, i64 16
  %data = load i64, ptr %data.at
  %slot.at = getelementptr i64, ptr %record, i64 1
  %slot = load i64, ptr %slot.at
  %place = getelementptr i64, ptr %slots, i64 %slot
  store i64 %data, ptr %place
  %i.after = add i64 %i, 1
  %record.after = getelementptr i64, ptr %extents.wanted, i64 %rank
  br label %inputs.next

outputs.first:
  br label %outputs.next
"""

_ENTRY = """
define ptr @sg_entry(ptr %self, ptr %args, i64 %given) nounwind {
CHECKS
outputs.next:
  %o = phi i64 [ 0, %outputs.first ], [ %o.after, %output.typed ]
  %outputs.done = icmp eq i64 %o, %outputs
  br i1 %outputs.done, label %run, label %output
output:
  %o.index = add i64 %inputs, %o
  %out.at = getelementptr ptr, ptr %args, i64 %o.index
  %out = load ptr, ptr %out.at
  %out.type.at = getelementptr i8, ptr %out, i64 8
  %out.type = load ptr, ptr %out.type.at
  %out.fits = icmp eq ptr %out.type, %type
  br i1 %out.fits, label %output.typed, label %leave
output.typed:
  %out.data.at = getelementptr i8, ptr %out, i64 16
  %out.data = load i64, ptr %out.data.at
  %out.slot.at = getelementptr i64, ptr %record, i64 %o
  %out.slot = load i64, ptr %out.slot.at
  %out.place = getelementptr i64, ptr %slots, i64 %out.slot
  store i64 %out.data, ptr %out.place
  %o.after = add i64 %o, 1
  br label %outputs.next

run:
  %released = icmp ne i64 %release, 0
  br i1 %released, label %run.released, label %run.held
run.held:
  %result.held = call i64 %step(ptr %slots)
  br label %leave
run.released:
  store i64 1, ptr %busy.at
  %thread = call ptr @PyEval_SaveThread()
  %result.released = call i64 %step(ptr %slots)
  call void @PyEval_RestoreThread(ptr %thread)
  store i64 0, ptr %busy.at
  br label %leave

leave:
  %result = phi i64 [ -1, %entry ], [ -2, %counted ], [ -1, %input ],
    [ -1, %input.typed ], [ -1, %extent ], [ -1, %output ],
    [ %result.held, %run.held ], [ %result.released, %run.released ]
  %answer = tail call ptr @PyLong_FromLongLong(i64 %result)
  ret ptr %answer
}
"""

_DIRECT = """
define ptr @sg_direct(ptr %self, ptr %args, i64 %given) nounwind {
CHECKS
outputs.next:
  %shapes = getelementptr i64, ptr %record, i64 %outputs
  br label %make.next
make.next:
  %o = phi i64 [ 0, %outputs.next ], [ %o.after, %kept ]
  %shape = phi ptr [ %shapes, %outputs.next ], [ %shape.after, %kept ]
  %result = phi ptr [ %list, %outputs.next ], [ %result.now, %kept ]
  %outputs.done = icmp eq i64 %o, %outputs
  br i1 %outputs.done, label %run, label %make
make:
  %out.descr = load ptr, ptr %shape
  %out.rank.at = getelementptr i64, ptr %shape, i64 1
  %out.rank = load i64, ptr %out.rank.at
  %out.rank.short = trunc i64 %out.rank to i32
  %out.extents = getelementptr i64, ptr %shape, i64 2
  call void @Py_IncRef(ptr %out.descr)
  %out = call ptr @PyArray_NewFromDescr(ptr %type, ptr %out.descr, i32 %out.rank.short,
    ptr %out.extents, ptr null, ptr null, i32 0, ptr null)
  %out.failed = icmp eq ptr %out, null
  br i1 %out.failed, label %make.failed, label %made
made:
  %out.data.at = getelementptr i8, ptr %out, i64 16
  %out.data = load i64, ptr %out.data.at
  %out.slot.at = getelementptr i64, ptr %record, i64 %o
  %out.slot = load i64, ptr %out.slot.at
  %out.place = getelementptr i64, ptr %slots, i64 %out.slot
  store i64 %out.data, ptr %out.place
  br i1 %single, label %kept, label %listed
listed:
  %set = call i32 @PyList_SetItem(ptr %result, i64 %o, ptr %out)
  br label %kept
kept:
  %result.now = phi ptr [ %out, %made ], [ %result, %listed ]
  %o.after = add i64 %o, 1
  %shape.after = getelementptr i64, ptr %out.extents, i64 %out.rank
  br label %make.next
make.failed:
  call void @Py_DecRef(ptr %result)
  br label %raise
raise:
  ret ptr null

run:
  %released.bit = and i64 %release, 1
  %released = icmp ne i64 %released.bit, 0
  br i1 %released, label %run.released, label %run.held
run.held:
  %flag.held = call i64 %step(ptr %slots)
  br label %ran
run.released:
  store i64 1, ptr %busy.at
  %thread = call ptr @PyEval_SaveThread()
  %flag.released = call i64 %step(ptr %slots)
  call void @PyEval_RestoreThread(ptr %thread)
  store i64 0, ptr %busy.at
  br label %ran
ran:
  %flag = phi i64 [ %flag.held, %run.held ], [ %flag.released, %run.released ]
  %fine = icmp eq i64 %flag, 0
  br i1 %fine, label %answer, label %failed
answer:
  ret ptr %result
failed:
  br label %leave

leave:
  %waste = phi ptr [ null, %entry ], [ null, %counted ], [ %list, %guard ],
    [ %list, %input ], [ %list, %input.typed ], [ %list, %extent ],
    [ %result, %failed ]
  call void @Py_DecRef(ptr %waste)
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}
"""


#: a list may make the garbage collector run other code, so it comes before the slots
_LIST = """prepare:
  %list.bit = and i64 %release, 2
  %single = icmp eq i64 %list.bit, 0
  br i1 %single, label %prepared, label %prepare.list
prepare.list:
  %list.made = call ptr @PyList_New(i64 %outputs)
  %list.failed = icmp eq ptr %list.made, null
  br i1 %list.failed, label %raise, label %prepared
prepared:
  %list = phi ptr [ null, %prepare ], [ %list.made, %prepare.list ]
  %guard.at = getelementptr i64, ptr %table, i64 7
  %guard.words = load ptr, ptr %guard.at
  %guards.at = getelementptr i64, ptr %table, i64 8
  %guards = load i64, ptr %guards.at
  br label %guard.next
guard.next:
  %w = phi i64 [ 0, %prepared ], [ %w.after, %guard ]
  %guards.done = icmp eq i64 %w, %guards
  br i1 %guards.done, label %guarded, label %guard
guard:
  %w.pair = shl i64 %w, 1
  %word.at = getelementptr i64, ptr %guard.words, i64 %w.pair
  %word.address = load ptr, ptr %word.at
  %word = load i64, ptr %word.address
  %word.wanted.at = getelementptr i64, ptr %word.at, i64 1
  %word.wanted = load i64, ptr %word.wanted.at
  %w.after = add i64 %w, 1
  %word.fits = icmp eq i64 %word, %word.wanted
  br i1 %word.fits, label %guard.next, label %leave
guarded:
  br label %inputs.next
"""

_NOTHING = """prepare:
  br label %guarded
guarded:
  br label %inputs.next
"""

_RUN = """
define ptr @sg_guarded(ptr %self, ptr %args, i64 %given) nounwind {
entry:
  %type.at = alloca ptr
  %value.at = alloca ptr
  %trace.at = alloca ptr
  %function = call ptr @PyList_GetItem(ptr %self, i64 0)
  %result = call ptr @PyObject_Vectorcall(ptr %function, ptr %args, i64 %given, ptr null)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %keep, label %fine
fine:
  ret ptr %result
keep:
  call void @PyErr_Fetch(ptr %type.at, ptr %value.at, ptr %trace.at)
  call void @PyErr_NormalizeException(ptr %type.at, ptr %value.at, ptr %trace.at)
  %type = load ptr, ptr %type.at
  %value = load ptr, ptr %value.at
  %trace = load ptr, ptr %trace.at
  %bare = icmp eq ptr %trace, null
  br i1 %bare, label %append, label %attach
attach:
  %attached = call i32 @PyException_SetTraceback(ptr %value, ptr %trace)
  br label %append
append:
  %appended = call i32 @PyList_Append(ptr %self, ptr %value)
  call void @Py_DecRef(ptr %type)
  call void @Py_DecRef(ptr %value)
  call void @Py_DecRef(ptr %trace)
  %answer = tail call ptr @PyLong_FromLongLong(i64 RAISED)
  ret ptr %answer
}

define i64 @sg_run(ptr %run, ptr %step, ptr %slots, i64 %n, ptr %moves, i64 %count,
    ptr %rows, i64 %row_count, ptr %order, i64 %batch, ptr %watch) nounwind {
  %at = getelementptr i64, ptr %watch, i64 THREAD
  %thread = call ptr @PyEval_SaveThread()
  store ptr %thread, ptr %at
  %flag = call i64 %run(ptr %step, ptr %slots, i64 %n, ptr %moves, i64 %count, ptr %rows,
    i64 %row_count, ptr %order, i64 %batch, ptr %watch)
  %back = load ptr, ptr %at
  call void @PyEval_RestoreThread(ptr %back)
  ret i64 %flag
}

define i64 @sg_watch(ptr %watch) nounwind {
entry:
  %at = getelementptr i64, ptr %watch, i64 THREAD
  %thread = load ptr, ptr %at
  call void @PyEval_RestoreThread(ptr %thread)
  %raised = call i32 @PyErr_CheckSignals()
  %quiet = icmp eq i32 %raised, 0
  br i1 %quiet, label %fine, label %done
fine:
  %progress.at = getelementptr i64, ptr %watch, i64 PROGRESS
  %progress = load ptr, ptr %progress.at
  %nobody = icmp eq ptr %progress, null
  br i1 %nobody, label %done, label %tell
tell:
  %steps.at = getelementptr i64, ptr %watch, i64 DONE
  %steps = load i64, ptr %steps.at
  %number = call ptr @PyLong_FromLongLong(i64 %steps)
  %answer = call ptr @PyObject_CallOneArg(ptr %progress, ptr %number)
  call void @Py_DecRef(ptr %number)
  call void @Py_DecRef(ptr %answer)
  %failed = icmp eq ptr %answer, null
  br label %done
done:
  %stop = phi i1 [ true, %entry ], [ false, %fine ], [ %failed, %tell ]
  %again = call ptr @PyEval_SaveThread()
  store ptr %again, ptr %at
  %result = zext i1 %stop to i64
  ret i64 %result
}
"""


def _written(text: str, wanted: str, prepare: str) -> str:
    checks = _CHECKS.replace("WANTED", f"%wanted = {wanted}")
    return text.replace("CHECKS\n", checks.replace("PREPARE\n", prepare))


ENTRY = (
    _DECLARATIONS
    + _written(_ENTRY, "add i64 %inputs, %outputs", _NOTHING)
    + _written(_DIRECT, "add i64 %inputs, 0", _LIST)
    + _RUN.replace("THREAD", str(THREAD))
    .replace("PROGRESS", str(PROGRESS))
    .replace("DONE", str(DONE))
    .replace("RAISED", str(RAISED))
)
