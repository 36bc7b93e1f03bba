/*
 * How long seccomp(2) takes to load each of the filters in the files named, in microseconds: the median of 200 children
 * for each, in turns. A line each.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMES 200
#define MAX_FILTERS 8

static struct sock_filter filters[MAX_FILTERS][BPF_MAXINSNS];
static double times[MAX_FILTERS][TIMES];

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/* In a child: a filter can't be taken off again. */
static void child(struct sock_fprog *program, int out)
{
	double start, end;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(1);
	start = microseconds();
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program))
		_exit(1);
	end = microseconds() - start;
	_exit(write(out, &end, sizeof(end)) != sizeof(end));
}

static double load(struct sock_fprog *program)
{
	double time;
	int ends[2];

	if (pipe(ends))
		exit(1);
	if (fork() == 0)
		child(program, ends[1]);
	wait(NULL);
	close(ends[1]);
	if (read(ends[0], &time, sizeof(time)) != sizeof(time)) {
		fprintf(stderr, "seccomp(2) refuses the filter\n");
		exit(1);
	}
	close(ends[0]);
	return time;
}

int main(int argc, char **argv)
{
	struct sock_fprog programs[MAX_FILTERS];
	int count = argc - 1;

	if (count > MAX_FILTERS)
		return 1;
	for (int i = 0; i < count; i++) {
		FILE *file = fopen(argv[i + 1], "r");

		if (!file)
			return 1;
		programs[i].len = fread(filters[i], sizeof(struct sock_filter), BPF_MAXINSNS, file);
		programs[i].filter = filters[i];
		fclose(file);
	}
	for (int turn = 0; turn < TIMES; turn++)
		for (int i = 0; i < count; i++)
			times[i][turn] = load(&programs[i]);
	for (int i = 0; i < count; i++) {
		qsort(times[i], TIMES, sizeof(double), by_value);
		printf("%.1f\n", times[i][TIMES / 2]);
	}
	return 0;
}
