const POM_SAYS_APACHE = { filesSay: 'NONE', is: 'Apache-2.0', why: 'its POM in the Maven repository says so' };
const JACKSON = {
  filesSay: 'NOASSERTION',
  is: 'Apache-2.0',
  why: 'META-INF/LICENSE: "licensed under Apache (Software) License, version 2.0", and nothing else',
};

/**
 * Licences that somebody has read, since their files alone say too much, or nothing. They count as long as the files
 * say the same.
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
  HdrHistogram: {
    filesSay: 'BSD-2-Clause AND CC0-1.0',
    is: 'BSD-2-Clause OR CC0-1.0',
    why: 'LICENSE.txt: for who wishes to use it under the BSD licence rather than under CC0 it is also provided under that',
  },
  'armeria-brave6': POM_SAYS_APACHE,
  'armeria-grpc-protocol': POM_SAYS_APACHE,
  'armeria-spring-boot3-actuator-autoconfigure': POM_SAYS_APACHE,
  'armeria-spring-boot3-autoconfigure': POM_SAYS_APACHE,
  brotli4j: POM_SAYS_APACHE,
  'zipkin-collector': { ...POM_SAYS_APACHE, why: 'a part of Zipkin: its parent POM says so' },
  'zipkin-lens': { ...POM_SAYS_APACHE, why: 'a part of Zipkin: its parent POM says so' },
  'reactive-streams': { filesSay: 'NONE', is: 'MIT-0', why: 'its POM in the Maven repository says so' },
  'jackson-datatype-jdk8': JACKSON,
  'jackson-datatype-jsr310': JACKSON,
};
