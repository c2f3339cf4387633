/**
 * Licences that somebody has read, since their files alone say too much. They count as long as the files say the same.
 */
export const BY_HAND: Record<string, { filesSay: string; is: string; why: string }> = {
  'github.com/oracle/oci-go-sdk/v65': {
    filesSay: 'Apache-2.0 AND BSD-3-Clause AND MIT AND UPL-1.0',
    is: '(UPL-1.0 OR Apache-2.0) AND BSD-3-Clause AND MIT',
    why: 'LICENSE.txt: "You may choose either license"; the others are those of what it contains',
  },
  'github.com/weaveworks/common': {
    filesSay: 'Apache-2.0 AND LicenseRef-GPL AND LicenseRef-LGPL',
    is: 'Apache-2.0',
    why: 'COPYING.LGPL-3 is that of tools/integration/assert.sh, which is in no program',
  },
};
