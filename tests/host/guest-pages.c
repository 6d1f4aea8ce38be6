// SPDX-License-Identifier: GPL-2.0
/*
 * Compares what a guest reads of programs and libraries with what the host has, page by page.
 *
 *	guest-pages list FILE…		prints, for each file, its name, number of pages, and a sum of each page
 *	guest-pages compare LIST	reads the same files by mapping them, as programs do, and names each page that differs
 *
 * The sum is no cryptographic one, as it is made by an emulated processor: it finds what is not there by design.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static void die(const char *what)
{
	fprintf(stderr, "guest-pages: %s: %s\n", what, errno ? strerror(errno) : "no list of this program's");
	exit(2);
}

static uint64_t sum(const unsigned char *page)
{
	uint64_t words[PAGE / 8], result = 1;
	size_t i;

	memcpy(words, page, PAGE);
	for (i = 0; i < PAGE / 8; i++)
		result = ((result << 7) | (result >> 57)) + words[i] * 0x9e3779b97f4a7c15ULL;
	return result;
}

/* Maps a whole file and says how many pages it has. */
static const unsigned char *map(const char *path, size_t *pages)
{
	const unsigned char *data;
	struct stat about;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &about) || !about.st_size)
		die(path);
	*pages = ((size_t)about.st_size + PAGE - 1) / PAGE;
	data = mmap(NULL, *pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		die(path);
	close(fd);
	return data;
}

static void list(const char *path)
{
	size_t pages, i;
	const unsigned char *data = map(path, &pages);

	printf("%s %zu\n", path, pages);
	for (i = 0; i < pages; i++)
		printf("%" PRIx64 "\n", sum(data + i * PAGE));
	munmap((void *)data, pages * PAGE);
}

static const char *kind_of(const unsigned char *page)
{
	size_t i;

	for (i = 0; i < PAGE; i++)
		if (page[i])
			return "something else";
	return "zeros";
}

static int compare(const char *name)
{
	size_t pages, there, i, checked = 0, wrong = 0;
	FILE *from = fopen(name, "r");
	char path[PAGE];
	int got;

	if (!from)
		die(name);
	while ((got = fscanf(from, "%4095s %zu", path, &pages)) == 2) {
		const unsigned char *data = map(path, &there);

		if (there != pages) {
			printf("%s has %zu pages, not %zu\n", path, there, pages);
			wrong++;
		}
		for (i = 0; i < pages; i++) {
			uint64_t wanted;

			if (fscanf(from, "%" SCNx64, &wanted) != 1)
				die(name);
			if (i >= there)
				continue;
			checked++;
			if (sum(data + i * PAGE) != wanted) {
				printf("%s: page %zu of %zu is not the host's, but %s\n", path, i, pages, kind_of(data + i * PAGE));
				wrong++;
			}
		}
		munmap((void *)data, there * PAGE);
	}
	fclose(from);
	errno = 0;
	if (got != EOF || !checked)
		die(name);
	printf("%zu pages, %zu wrong\n", checked, wrong);
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	int i;

	if (argc == 3 && !strcmp(argv[1], "compare"))
		return compare(argv[2]);
	if (argc < 3 || strcmp(argv[1], "list")) {
		fprintf(stderr, "usage: guest-pages list FILE… | compare LIST\n");
		return 2;
	}
	for (i = 2; i < argc; i++)
		list(argv[i]);
	return 0;
}
