//! The power cuts themselves: what was not synced is lost, what was synced is there.

use crate::vm::{Disk, Fate, Filesystem, Hardware, Image, Random, Vm};

#[test]
fn a_cut_costs_what_was_not_synced() {
    let image = Image::debian();
    let hardware = Hardware::of(&image);
    let disk = Disk::new(image.disk(Filesystem::Ext4, 1000));
    let mut vm = Vm::boot(&hardware, &disk);

    // What the kernel has not sent to the disk.
    vm.run("echo synced >/root/kept; sync /root/kept; echo written >/root/lost")
        .exits(0);
    vm.reset();
    vm.run("cat /root/kept").exits(0).says("synced");
    assert_ne!(vm.run("cat /root/lost").out, "written");

    // What the disk has in its cache: direct I/O goes there, and asks for no flush.
    vm.run(
        "cd /root; head -c 8192 /dev/zero | tr '\\0' a >file; cp file other; sync file other .
        head -c 8192 /dev/zero | tr '\\0' b >new
        dd if=new of=file conv=notrunc,fsync oflag=direct bs=4096 status=none
        dd if=new of=other conv=notrunc oflag=direct bs=4096 status=none",
    )
    .exits(0);
    vm.kill();
    let cut = disk.cut(Fate::Lost, &mut Random::new(1));
    assert!(cut.writes > 0 && cut.lost == cut.cached, "{cut:?}");
    assert!(cut.lost >= 2, "{cut:?}");
    let mut vm = Vm::boot(&hardware, &disk);
    let starts = |file: &str| format!("head -c 1 /root/{file}; tail -c 1 /root/{file}");
    assert_eq!(vm.run(&starts("file")).exits(0).out, "bb");
    assert_eq!(vm.run(&starts("other")).exits(0).out, "aa");
}
