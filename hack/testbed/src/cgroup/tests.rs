use super::*;

const HYBRID: &str = "\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/devices cgroup rw,relatime,devices 0 0
cgroup /sys/fs/cgroup/freezer cgroup rw,relatime,freezer 0 0
cgroup /sys/fs/cgroup/blkio cgroup rw,relatime,blkio 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,xattr,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
";

const UNIFIED: &str = "\
proc /proc proc rw,nosuid 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0
";

#[test]
fn a_hybrid_host_counts_as_v1() {
    let tree = Tree::parse(HYBRID).unwrap();
    assert_eq!(tree.kind(), "v1");
    let plan = tree.mount_plan();
    assert!(plan.starts_with("cpu,cpuacct:cpu,cpuacct cpuset:cpuset memory:memory "), "{plan}");
    assert!(plan.ends_with(" systemd:none,name=systemd"), "{plan}");
}

#[test]
fn a_unified_host_counts_as_v2() {
    let tree = Tree::parse(UNIFIED).unwrap();
    assert_eq!((tree.kind(), tree.mount_plan().as_str()), ("v2", "v2"));
}

#[test]
fn a_missing_hierarchy_is_named() {
    let mounts: Vec<_> = HYBRID.lines().filter(|line| !line.contains("freezer")).collect();
    let error = Tree::parse(&mounts.join("\n")).unwrap_err().to_string();
    assert!(error.contains("not mounted: freezer;"), "{error}");
    assert!(Tree::parse("").unwrap_err().to_string().contains("mount cgroup2"));
}

#[test]
fn a_hierarchy_mounted_twice_is_used_once() {
    let twice = format!("{HYBRID}cgroup /mnt/memory cgroup rw,memory 0 0\n");
    assert_eq!(Tree::parse(&twice).unwrap(), Tree::parse(HYBRID).unwrap());
}

#[test]
fn a_machine_is_joined_in_the_leaf_of_every_tree() {
    let v1 = Tree::parse(HYBRID).unwrap().group("bed").child("n1");
    assert_eq!(v1.join_files().len(), 8);
    assert!(v1.join_files().iter().all(|file| file.ends_with("bed/n1/daemons/cgroup.procs")));
    let v2 = Tree::parse(UNIFIED).unwrap().group("bed").child("n1");
    assert_eq!(v2.birth_files(), [Path::new("/sys/fs/cgroup/bed/n1/cgroup.procs")]);
    assert_eq!(v2.join_files(), [Path::new("/sys/fs/cgroup/bed/n1/daemons/cgroup.procs")]);
}

#[test]
fn what_gives_way_gets_what_is_left_of_the_processors_whatever_the_kernel_knows() {
    let host = std::env::temp_dir().join(format!("testbed-give-way-test-{}", std::process::id()));
    let here = |mounts: &str| {
        let mounts = mounts.replace("/sys/fs/cgroup", host.to_str().unwrap());
        Tree::parse(&mounts).unwrap().group("bed").child("n1")
    };
    for (mounts, controller, least) in
        [(HYBRID, "cpu,cpuacct", ("cpu.shares", "2")), (UNIFIED, "", ("cpu.weight", "1"))]
    {
        let (group, directory) = (here(mounts), host.join(controller).join("bed/n1"));
        fs::create_dir_all(&directory).unwrap();
        let read = |file: &str| fs::read_to_string(directory.join(file)).ok();
        group.give_way().unwrap();
        assert_eq!((read(least.0).as_deref(), read(IDLE)), (Some(least.1), None), "an older kernel");
        fs::remove_file(directory.join(least.0)).unwrap();
        fs::write(directory.join(IDLE), "0").unwrap();
        group.give_way().unwrap();
        assert_eq!((read(least.0), read(IDLE).as_deref()), (None, Some("1")), "one that knows it");
    }
    fs::remove_dir_all(host).unwrap();
}
