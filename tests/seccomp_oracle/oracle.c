/*
 * libseccomp, asked by seccomp_oracle.rs. One command a line on stdin:
 *
 *   names               for each following word up to ".": its number for each architecture of the filter, a line each
 *   has TOKEN           whether it knows SCMP_ARCH_*: "has 1" or "has 0"
 *   calls               the names that the filter's first architecture has, a line each, then "."
 *   filter ACTION       a new filter without architectures
 *   arch TOKEN          SCMP_ARCH_*
 *   optimize LEVEL
 *   rule ACTION NAME N  then N times ARG OP A B; answered by "rule RC"
 *   export              "program LENGTH", then as many bytes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_ARCHS 32

static scmp_filter_ctx filter;
static uint32_t archs[MAX_ARCHS];
static int arch_count;

static void fail(const char *what, int rc)
{
	fprintf(stderr, "oracle: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static void new_filter(void)
{
	uint32_t action;
	int rc;

	if (scanf("%" SCNx32, &action) != 1)
		fail("filter", -EINVAL);
	/* Some profiles send libseccomp 2.5.4 into an endless loop: two seconds of this process's own time for each. */
	setitimer(ITIMER_VIRTUAL, &(struct itimerval){ .it_value.tv_sec = 2 }, NULL);
	if (filter)
		seccomp_release(filter);
	filter = seccomp_init(action);
	if (!filter)
		fail("seccomp_init", -ENOMEM);
	rc = seccomp_arch_remove(filter, seccomp_arch_native());
	if (rc)
		fail("seccomp_arch_remove", rc);
	arch_count = 0;
}

static void add_arch(void)
{
	uint32_t token;
	int rc;

	if (scanf("%" SCNx32, &token) != 1 || arch_count == MAX_ARCHS)
		fail("arch", -EINVAL);
	rc = seccomp_arch_add(filter, token);
	if (rc && rc != -EEXIST)
		fail("seccomp_arch_add", rc);
	archs[arch_count++] = token;
}

static void add_rule(void)
{
	struct scmp_arg_cmp args[6];
	uint32_t action;
	char name[64];
	int number, count, i;

	if (scanf("%" SCNx32 " %63s %d", &action, name, &count) != 3 || count < 0 || count > 6)
		fail("rule", -EINVAL);
	for (i = 0; i < count; i++) {
		unsigned int op;

		if (scanf("%u %u %" SCNx64 " %" SCNx64, &args[i].arg, &op, &args[i].datum_a, &args[i].datum_b) != 4)
			fail("condition", -EINVAL);
		args[i].op = op;
	}
	number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR)
		printf("rule unknown\n");
	else
		printf("rule %d\n", seccomp_rule_add_array(filter, action, number, count, args));
}

/*
 * A rule is added with the number that the name has on this machine, and libseccomp goes back from it to the name for
 * the other architectures. That fails for a few of the numbers that it made up for names that only others have.
 */
static int usable(const char *name)
{
	int number = seccomp_syscall_resolve_name(name);
	char *back = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	int same = back && !strcmp(back, name);

	free(back);
	return same;
}

static void names(void)
{
	char name[64];

	while (scanf("%63s", name) == 1 && strcmp(name, ".")) {
		int known = usable(name);

		printf("%s", name);
		for (int i = 0; i < arch_count; i++)
			printf(" %d", known ? seccomp_syscall_resolve_name_arch(archs[i], name) : __NR_SCMP_ERROR);
		printf("\n");
	}
}

static void calls(void)
{
	/* Past ARM's private calls at 0xf0000. */
	for (int number = 0; number < 0xf0010; number++) {
		char *name = seccomp_syscall_resolve_num_arch(archs[0], number);

		if (name)
			printf("%s\n", name);
		free(name);
		if (number == 10000)
			number = 0xf0000;
	}
	printf(".\n");
}

static void export(void)
{
	int fd = memfd_create("filter", 0);
	char bytes[65536];
	ssize_t length;
	int rc = seccomp_export_bpf(filter, fd);

	if (rc)
		fail("seccomp_export_bpf", rc);
	length = pread(fd, bytes, sizeof(bytes), 0);
	if (length < 0)
		fail("pread", -errno);
	close(fd);
	printf("program %zd\n", length);
	fwrite(bytes, 1, length, stdout);
}

int main(void)
{
	char command[16];

	while (scanf("%15s", command) == 1) {
		unsigned int level;
		uint32_t token;

		if (!strcmp(command, "filter"))
			new_filter();
		else if (!strcmp(command, "arch"))
			add_arch();
		else if (!strcmp(command, "optimize") && scanf("%u", &level) == 1)
			seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, level);
		else if (!strcmp(command, "rule"))
			add_rule();
		else if (!strcmp(command, "names"))
			names();
		else if (!strcmp(command, "calls"))
			calls();
		else if (!strcmp(command, "has") && scanf("%" SCNx32, &token) == 1)
			printf("has %d\n", seccomp_syscall_resolve_name_arch(token, "read") != __NR_SCMP_ERROR);
		else if (!strcmp(command, "export"))
			export();
		else
			fail(command, -EINVAL);
		fflush(stdout);
	}
	return 0;
}
